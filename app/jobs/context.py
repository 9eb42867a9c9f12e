"""What a running job is given: where everything is, and how to report progress and to notice a cancellation."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.config import Settings
from app.domain.jobs import JobProgress, Unit
from app.errors import JobCancelled
from app.weights.progress import Progress

log = logging.getLogger(__name__)

_INTERVAL_S = 0.1  # between two reports within a phase


@dataclass(frozen=True, slots=True)
class Places:
    """Where a server keeps things. A job runs in the server's working folder, so a relative URL means the same."""

    data_dir: Path
    store_dir: Path
    database_url: str  # a job may read it with `app.store.reading`, and write only files

    @classmethod
    def of(cls, settings: Settings) -> Places:
        """The places in the settings."""
        return cls(settings.data_dir.absolute(), settings.model_store.absolute(), settings.resolved_database_url)


class JobContext:
    """A running job's connection to the server. `send` takes a report, `cancelled` says whether to stop."""

    def __init__(self, places: Places, send: Callable[[JobProgress], None], cancelled: Callable[[], bool]) -> None:
        self.places = places
        self.cancelled = cancelled
        self._send = send
        self._phase = ""
        self._next_s = 0.0

    def check_cancelled(self) -> None:
        """Raise :class:`JobCancelled` if the job is to stop."""
        if self.cancelled():
            raise JobCancelled("The job was cancelled.")

    def report(self, phase: str, done: int, total: int | None, unit: Unit = "rows") -> None:
        """Report progress, as often as you like: ten times a second it is passed on. Front ends translate `phase`."""
        now, complete = time.monotonic(), done == total
        if phase == self._phase and now < self._next_s and not complete:
            return
        if phase != self._phase:
            log.info("%s (%s of %s %s)", phase, done, "unknown" if total is None else total, unit)
        self._phase, self._next_s = phase, now + _INTERVAL_S
        self._send(JobProgress(phase, done, total, unit))

    def on_progress(self, progress: Progress) -> None:
        """:meth:`report` for the functions of :mod:`app.weights`."""
        self.report(progress.phase, progress.done_bytes, progress.total_bytes, "bytes")
