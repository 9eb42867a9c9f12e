"""How often somebody may guess a password or a link: five times at once, then once a minute."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.errors import TooManyAttempts, WrongPassword

BURST = 5
PAUSE_S = 60.0
_MAX_KEPT = 10_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Attempts:
    """Failed attempts by what they were aimed at (an account) and where they came from (an address).

    An attempt is counted before the password is compared, so that attempts at the same time count too, and is given
    back when it succeeds. Kept in memory: a restart forgets them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    @contextmanager
    def attempt(self, *subjects: str) -> Iterator[None]:
        """One attempt; an error in it other than :class:`WrongPassword` does not count.

        Raises :class:`TooManyAttempts` if one of `subjects` has none left.
        """
        wait_s = max(self._wait_s(subject) for subject in subjects)
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            text = f"Too many wrong attempts. Try again in {seconds} seconds."
            raise TooManyAttempts(text, retry_after_s=seconds)
        for subject in subjects:
            self._buckets[subject].left -= 1
        failed = False
        try:
            yield
        except WrongPassword:
            failed = True
            raise
        finally:
            if not failed:
                for subject in subjects:
                    self._refilled(subject).left += 1

    def _wait_s(self, subject: str) -> float:
        bucket = self._refilled(subject)
        return 0.0 if bucket.left >= 1 else (1 - bucket.left) * PAUSE_S

    def _refilled(self, subject: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.pop(subject, None) or _Bucket(float(BURST), now)
        bucket.left, bucket.at = min(float(BURST), bucket.left + (now - bucket.at) / PAUSE_S), now
        self._buckets[subject] = bucket  # the last used at the end
        while len(self._buckets) > _MAX_KEPT:
            del self._buckets[next(iter(self._buckets))]
        return bucket
