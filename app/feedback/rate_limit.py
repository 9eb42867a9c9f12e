"""A limit on how often one person may judge, so that a script can't flood the log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from app.errors import TooManyRequests

WINDOW_S = 60.0


class RateLimit:
    """At most `limit` calls per user within a minute."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock = limit, clock
        self._times: dict[str, deque[float]] = {}

    def count(self, user_id: str) -> None:
        """Count one call. Raises :class:`TooManyRequests` with the seconds to wait, and then counts nothing."""
        now = self._clock()
        for user, times in list(self._times.items()):
            while times and times[0] <= now - WINDOW_S:
                times.popleft()
            if not times:
                del self._times[user]
        times = self._times.setdefault(user_id, deque())
        if len(times) >= self._limit:
            seconds = max(1, round(times[0] + WINDOW_S - now))
            raise TooManyRequests(
                f"More than {self._limit} judgements in a minute. Wait {seconds} s, then go on.", retry_after_s=seconds
            )
        times.append(now)
