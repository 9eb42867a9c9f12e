"""Runs the queued jobs of a server, each in a process of its own, a few of each kind at once.

The queue is the store: a job that is added, resumed or cancelled by anyone, also by a command beside the server, is
found by looking there, at once when :meth:`JobRunner.wake` is called, otherwise within a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from app.domain.jobs import ACTIVE, Job, JobOutcome, JobProgress, JobState
from app.errors import StoreError
from app.jobs.context import Places
from app.jobs.kind import JobKind, Kinds
from app.jobs.logs import log_name
from app.jobs.process import JobProcess, failed
from app.store import Store

log = logging.getLogger(__name__)

_INTERVAL_S = 1.0  # between two looks at the queue, and between two stored progresses


@dataclass(slots=True)
class _Running:
    """A running job."""

    job: Job
    process: JobProcess
    task: asyncio.Task[None] | None = None
    progress: JobProgress | None = None
    stored: JobProgress | None = None  # the progress that the store has
    cancelled: bool = False  # by the user


@dataclass(frozen=True, slots=True)
class Notices:
    """Whom a runner tells what; all are called on the event loop.

    `changed`: the state of a job has changed, and it is stored. `progressed`: the job of this id has. `before_end` is
    awaited when the work of a job is over, before its end is stored: then others already see what it has made.
    """

    changed: Callable[[Job], None]
    progressed: Callable[[str], None]
    before_end: Callable[[Job], Awaitable[None]]


class JobRunner:
    """Belongs to the event loop. :meth:`start` it once, then :meth:`close` it."""

    def __init__(self, store: Store, kinds: Kinds, places: Places, notices: Notices) -> None:
        self._store, self._kinds, self._places, self._notices = store, kinds, places, notices
        self._running: dict[str, _Running] = {}
        self._queued: set[str] = set()  # as of the last look
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with what is queued. A store that can't be written has no jobs to run."""
        if self._store.opening.read_only is None:
            self._task = asyncio.create_task(self._serve(), name="run jobs")

    async def close(self) -> None:
        """Stop what runs, within seconds, and store it as interrupted. Idempotent."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        for one in self._running.values():
            one.process.stop()
        tasks = [one.task for one in self._running.values() if one.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Look at the queue now."""
        self._wake.set()

    def progress(self, job_id: str) -> JobProgress | None:
        """The newest progress of a running job; from any thread."""
        one = self._running.get(job_id)
        return one.progress if one else None

    # -- the queue -----------------------------------------------------------------------------------

    async def _serve(self) -> None:
        failing = False
        while not self._closing:
            self._wake.clear()
            try:
                await self._look()
                failing = False
            except StoreError as err:  # such as a full disk: the next look tries again
                if not failing:
                    log.warning("The queue of jobs can't be used: %s", err.message)
                failing = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_INTERVAL_S):
                    await self._wake.wait()

    async def _look(self) -> None:
        """Stop what is to be cancelled, start what may start, store progress."""
        active = await self._store.read(lambda r: r.jobs.in_states(ACTIVE))
        for job in active:
            if job.cancel_requested and (one := self._running.get(job.id)):
                one.cancelled = True
                one.process.stop()
        queued = {job.id: job for job in active if job.state is JobState.QUEUED}
        for job in queued.values():
            if job.id not in self._queued:  # perhaps by a command
                self._notices.changed(job)
        await self._tell_cancelled(self._queued - queued.keys() - self._running.keys())
        self._queued = set(queued)
        for job in queued.values():
            if not self._closing and self._has_room(job.kind):
                await self._begin(job)
        await self._store_progress()

    async def _tell_cancelled(self, gone: set[str]) -> None:
        """Tell of jobs that waited and don't any more, perhaps because of a command."""
        if gone:
            cancelled = await self._store.read(lambda r: r.jobs.in_states([JobState.CANCELLED]))
            for job in cancelled:
                if job.id in gone:
                    self._notices.changed(job)

    def _has_room(self, kind: str) -> bool:
        known = self._kinds.get(kind)
        return known is None or sum(one.job.kind == kind for one in self._running.values()) < known.at_once

    async def _begin(self, job: Job) -> None:
        kind = self._kinds.get(job.kind)
        if kind is None:
            await self._end(job, failed(f"This Parley knows no jobs of the kind {job.kind!r}."), None)
        elif await self._store.write(lambda r: r.jobs.start(job.id, log_name(job.id))):
            self._queued.discard(job.id)
            self._launch(kind, replace(job, state=JobState.RUNNING, log=log_name(job.id)))

    async def _store_progress(self) -> None:
        news = {i: one.progress for i, one in self._running.items() if one.progress and one.progress != one.stored}
        if news:
            await self._store.write(lambda r: r.jobs.report(news))
            for job_id, progress in news.items():
                if job_id in self._running:
                    self._running[job_id].stored = progress

    # -- one job -------------------------------------------------------------------------------------

    def _launch(self, kind: JobKind, job: Job) -> None:
        def on_progress(progress: JobProgress) -> None:
            self._running[job.id].progress = progress
            self._notices.progressed(job.id)

        process = JobProcess(
            kind.module, job.parameters, self._places, self._places.data_dir / log_name(job.id), on_progress
        )
        one = self._running[job.id] = _Running(job, process)
        one.task = asyncio.create_task(self._run(one), name=f"{job.kind} job {job.id}")
        self._notices.changed(job)

    async def _run(self, one: _Running) -> None:
        try:
            outcome = await one.process.run()
            await self._notices.before_end(one.job)
        except Exception as err:  # a bug here: the job must not seem to run for ever
            log.exception("job %s failed", one.job.id)
            outcome = failed(f"An unexpected error: {type(err).__name__}: {err}")
        if outcome.state is JobState.CANCELLED and not one.cancelled:
            outcome = JobOutcome(JobState.INTERRUPTED)
        try:
            await self._end(one.job, outcome, one.progress)
        finally:
            self._running.pop(one.job.id, None)
            self._wake.set()

    async def _end(self, job: Job, outcome: JobOutcome, progress: JobProgress | None) -> None:
        """Store how a job ended; while that fails, such as on a full disk, try again."""
        while True:
            try:
                ended = await self._store.write(lambda r: r.jobs.end(job.id, outcome, progress))
                break
            except StoreError as err:
                log.warning("The end of job %s can't be stored: %s", job.id, err.message)
                if self._closing:  # the next start marks it interrupted
                    return
                await asyncio.sleep(_INTERVAL_S)
        if ended is not None:
            self._running.pop(job.id, None)
            self._notices.changed(ended)
