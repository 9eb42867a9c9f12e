"""How many requests one person, or one address that is not signed in, may send."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from app.errors import TooManyRequests

_MAX_KEPT = 10_000
_BURST_SHARE = 4  # a quarter of a minute's requests may come at once


class RequestRate:
    """A token bucket for each subject, in memory. `per_minute` of 0 allows everything."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_minute / 60
        self._burst = max(1.0, per_minute / _BURST_SHARE)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # requests left at a time; the last used at the end

    def count(self, subject: str) -> None:
        """Count a request. Raises :class:`TooManyRequests` with the seconds until the next is allowed."""
        if not self._per_s:
            return
        now = self._clock()
        left, at = self._buckets.pop(subject, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_s)
        self._buckets[subject] = (max(0.0, left - 1) if left >= 1 else left, now)
        while len(self._buckets) > _MAX_KEPT:
            del self._buckets[next(iter(self._buckets))]
        if left < 1:
            raise TooManyRequests("Too many requests. Slow down.", retry_after_s=math.ceil((1 - left) / self._per_s))
