"""How long a server's event loop is busy without a pause: by how much a timer of ten milliseconds is late."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

_INTERVAL_S = 0.01


class LoopBlock:
    """Measures while its :meth:`watch` runs in the loop.

    Lateness counts as far as the loop's thread computed meanwhile: what else it waited for, other programs had the CPU.
    """

    def __init__(self, report: Path) -> None:
        """`report` is written each second: ``{"longest_ms": …}`` so far."""
        self._report = report
        self.longest_ms = 0.0

    async def watch(self) -> None:
        """Until it is cancelled. The first second is the start and is left out."""
        await asyncio.sleep(1)
        written_s = 0.0
        while True:
            before_s, cpu_before_s = time.monotonic(), time.thread_time()
            await asyncio.sleep(_INTERVAL_S)
            late_s = time.monotonic() - before_s - _INTERVAL_S
            self.longest_ms = max(self.longest_ms, 1000 * min(late_s, time.thread_time() - cpu_before_s))
            if before_s - written_s > 1:
                written_s = before_s
                self._report.write_text(json.dumps({"longest_ms": self.longest_ms}), encoding="utf-8")
