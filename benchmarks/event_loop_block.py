"""Measures how long a server's event loop is blocked, by the delay of a ten-millisecond timer."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

_INTERVAL_S = 0.01


class LoopBlock:
    """Measures while its :meth:`watch` runs in the loop.

    A delay counts only as far as the loop's thread used the CPU: the rest of the time other programs had it.
    """

    def __init__(self, report: Path) -> None:
        """`report` is written each second: ``{"longest_ms": …}`` so far."""
        self._report = report
        self.longest_ms = 0.0

    async def watch(self) -> None:
        """Measure until cancelled, without the first second, in which the server starts."""
        await asyncio.sleep(1)
        written_s = 0.0
        while True:
            before_s, cpu_before_s = time.monotonic(), time.thread_time()
            await asyncio.sleep(_INTERVAL_S)
            delay_s = time.monotonic() - before_s - _INTERVAL_S
            self.longest_ms = max(self.longest_ms, 1000 * min(delay_s, time.thread_time() - cpu_before_s))
            if before_s - written_s > 1:
                written_s = before_s
                self._report.write_text(json.dumps({"longest_ms": self.longest_ms}), encoding="utf-8")
