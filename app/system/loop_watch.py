"""Measures how long an event loop is blocked: while a callback computes, nobody else is answered."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

_INTERVAL_S = 0.05  # twenty wake-ups a second cost two thousandths of a core
WINDOW_S = 60.0


class LoopWatch:
    """Remembers the longest block of the last minute, by the delay of a timer.

    A block that ends before the timer is due is not seen, and one that begins before that is seen from then on. A delay
    because other programs have the processor counts too: clients wait for it as well.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._delays: deque[tuple[float, float]] = deque()  # (when, seconds); ever shorter
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch the running loop until :meth:`stop`."""
        self._due = self._clock() + _INTERVAL_S
        self._timer = asyncio.get_running_loop().call_later(_INTERVAL_S, self._fired)

    def stop(self) -> None:
        """Stop watching. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()

    @property
    def longest_block_s(self) -> float:
        """Seconds of the longest block in the last minute."""
        self._forget(self._clock())
        return self._delays[0][1] if self._delays else 0.0

    def _fired(self) -> None:
        now = self._clock()
        self._add(now, max(0.0, now - self._due))
        self.start()

    def _add(self, now: float, delay_s: float) -> None:
        self._forget(now)
        while self._delays and self._delays[-1][1] <= delay_s:  # a later one that is longer outlives it
            self._delays.pop()
        self._delays.append((now, delay_s))

    def _forget(self, now: float) -> None:
        while self._delays and self._delays[0][0] < now - WINDOW_S:
            self._delays.popleft()
