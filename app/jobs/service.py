"""The use cases of jobs: add, list, watch, cancel, resume, forget. All but adding are the same for every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from app.domain.jobs import RESUMABLE, Job, JobProgress, JobState
from app.errors import JobNotResumable
from app.jobs.context import Places
from app.jobs.job_events import JobEvent, JobEvents, UserJobs
from app.jobs.kind import Kinds
from app.jobs.logs import delete_log, tail
from app.jobs.runner import JobRunner, Notices
from app.store import Store

MAX_LISTED = 200
_LOG_LINES = 60
_UNFINISHED = (JobState.QUEUED, JobState.RUNNING, JobState.FAILED, JobState.INTERRUPTED)


class JobService:
    """The jobs of a server. Belongs to the event loop; one per server."""

    def __init__(self, store: Store, kinds: Kinds, places: Places) -> None:
        self._store, self._kinds, self._places = store, kinds, places
        self._events = JobEvents()
        self._listeners: list[Callable[[Job, bool], None]] = []
        self._before_end: list[Callable[[Job], Awaitable[None]]] = []
        self._runner = JobRunner(store, kinds, places, Notices(self._changed, self._events.changed, self._ending))

    async def start(self) -> None:
        """Begin with the queued jobs."""
        self._runner.start()

    async def close(self) -> None:
        """End all subscriptions; stop the running jobs and store them as interrupted. Idempotent."""
        self._events.close()
        await self._runner.close()

    # -- for the packages that start jobs --------------------------------------------------------------

    def on_change(self, listener: Callable[[Job, bool], None]) -> None:
        """Call `listener` with each job whose state has changed, and whether it was forgotten. Not for progress."""
        self._listeners.append(listener)

    def before_end(self, callback: Callable[[Job], Awaitable[None]]) -> None:
        """Await `callback` with each job whose work is over, before its end is stored and told."""
        self._before_end.append(callback)

    async def add(
        self, user_id: str, kind: str, parameters: Mapping[str, Any], progress: JobProgress | None = None
    ) -> Job:
        """Queue a job of a known kind; returns once it is stored. `progress` is shown until it starts."""
        assert kind in self._kinds, kind
        job = await self._store.write(lambda r: r.jobs.add(user_id, kind, parameters, progress))
        self._changed(job)
        self._runner.wake()
        return job

    async def unfinished(self, kind: str) -> list[Job]:
        """The jobs of this kind, of all users, that wait, run, failed or were interrupted; the oldest first."""
        return await self._store.read(lambda r: r.jobs.in_states(_UNFINISHED, [kind]))

    def progress(self, job: Job) -> JobProgress | None:
        """The newest progress; from any thread."""
        return self._runner.progress(job.id) or job.progress

    # -- for users ---------------------------------------------------------------------------------

    async def listing(self, user_id: str) -> Sequence[Job]:
        """The newest jobs of a user, the newest first."""
        found = await self._store.read(lambda r: r.jobs.newest(user_id, MAX_LISTED))
        return [self._live(job) for job in found]

    async def get(self, user_id: str, job_id: str) -> Job:
        """One job. Raises :class:`~app.errors.JobNotFound`, also for a job of another user; so do the methods below."""
        return self._live(await self._store.read(lambda r: r.jobs.get(user_id, job_id)))

    async def log_tail(self, job: Job) -> list[str]:
        """The last lines of a job's log."""
        return await asyncio.to_thread(tail, self._places.data_dir, job, _LOG_LINES)

    async def cancel(self, user_id: str, job_id: str) -> Job:
        """Cancel a job; a running one ends within seconds. Raises :class:`~app.errors.JobNotRunning`."""
        job = await self._store.write(lambda r: r.jobs.cancel(user_id, job_id))
        self._changed(job)
        self._runner.wake()
        return self._live(job)

    async def resume(self, user_id: str, job_id: str) -> Job:
        """Queue a job again that failed, was cancelled or interrupted. Raises :class:`JobNotResumable`."""
        found = await self.get(user_id, job_id)
        require_resumable(found, self._kinds)
        job = await self._store.write(lambda r: r.jobs.resume(user_id, job_id))
        self._changed(job)
        self._runner.wake()
        return job

    async def forget(self, user_id: str, job_id: str) -> None:
        """Remove a job that has ended from the list, with its log. Raises :class:`~app.errors.JobRunning`."""
        job = await self._store.write(lambda r: r.jobs.forget(user_id, job_id))
        await asyncio.to_thread(delete_log, self._places.data_dir, job)
        self._changed(job, forgotten=True)

    def resumable(self, job: Job) -> bool:
        """Whether :meth:`resume` would queue it again."""
        return is_resumable(job, self._kinds)

    async def subscribe(self, user_id: str, heartbeat_s: float) -> AsyncGenerator[JobEvent | None, None]:
        """Yield all jobs of a user, then changes; ``None`` is a heartbeat. See :mod:`app.jobs.job_events`."""

        async def some(job_ids: Collection[str]) -> Mapping[str, Job]:
            found = await self._store.read(lambda r: r.jobs.some(user_id, job_ids))
            return {job_id: self._live(job) for job_id, job in found.items()}

        jobs = UserJobs(lambda: self.listing(user_id), some)
        async with aclosing(self._events.subscribe(jobs, heartbeat_s)) as subscription:
            async for event in subscription:
                yield event

    # -- private -----------------------------------------------------------------------------------

    def _live(self, job: Job) -> Job:
        return replace(job, progress=self.progress(job))

    def _changed(self, job: Job, *, forgotten: bool = False) -> None:
        for listener in self._listeners:
            listener(job, forgotten)
        self._events.changed(job.id)

    async def _ending(self, job: Job) -> None:
        for callback in self._before_end:
            await callback(job)


def is_resumable(job: Job, kinds: Kinds) -> bool:
    """Whether a job has ended in a way, and is of a kind, that allows to resume it."""
    return job.state in RESUMABLE and job.kind in kinds and kinds[job.kind].resumable


def require_resumable(job: Job, kinds: Kinds) -> None:
    """Raise :class:`JobNotResumable` for a kind that can't be resumed; the state is checked when it is changed."""
    if job.kind not in kinds or not kinds[job.kind].resumable:
        raise JobNotResumable("Jobs of this kind can't be resumed. Start a new one.")
