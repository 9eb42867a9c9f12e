"""Events for subscribers of a user's jobs: first all of them, then the changes, at most four times a second."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from app.domain.jobs import Job

MIN_INTERVAL_S = 0.25  # between two looks at the changed jobs for one subscriber


@dataclass(frozen=True, slots=True)
class JobsListed:
    """All jobs, the newest first: the first event of a subscription."""

    jobs: Sequence[Job]


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job was added, or has changed or progressed."""

    job: Job


@dataclass(frozen=True, slots=True)
class JobRemoved:
    """A job was removed from the list."""

    job_id: str


JobEvent = JobsListed | JobChanged | JobRemoved


@dataclass(frozen=True, slots=True)
class UserJobs:
    """Reads the jobs of one user, with their newest progress."""

    all: Callable[[], Awaitable[Sequence[Job]]]
    some: Callable[[Collection[str]], Awaitable[Mapping[str, Job]]]


class _Subscriber:
    def __init__(self) -> None:
        self.changed: set[str] = set()  # ids, so that a slow reader costs no memory and gets the newest state
        self.wake = asyncio.Event()


class JobEvents:
    """Serves the subscribers of one server. Not thread-safe: belongs to its event loop."""

    def __init__(self) -> None:
        self._subscribers: set[_Subscriber] = set()
        self._closed = False

    def changed(self, job_id: str) -> None:
        """Tell the subscribers that a job has changed, progressed or was removed."""
        for subscriber in self._subscribers:
            subscriber.changed.add(job_id)
            subscriber.wake.set()

    def close(self) -> None:
        """End all subscriptions, when the server shuts down."""
        self._closed = True
        for subscriber in self._subscribers:
            subscriber.wake.set()

    async def subscribe(self, jobs: UserJobs, heartbeat_s: float) -> AsyncGenerator[JobEvent | None, None]:
        """Yield events until :meth:`close`; ``None`` is a heartbeat after `heartbeat_s` without events."""
        subscriber = _Subscriber()
        self._subscribers.add(subscriber)  # before the jobs are read: no change is missed
        try:
            listed = await jobs.all()
            known = {job.id: job for job in listed}
            yield JobsListed(listed)
            while not self._closed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(heartbeat_s):
                        await subscriber.wake.wait()
                if not subscriber.wake.is_set():
                    yield None
                    continue
                for event in await _changes(subscriber, known, jobs):
                    yield event
                await asyncio.sleep(MIN_INTERVAL_S)
        finally:
            self._subscribers.discard(subscriber)


async def _changes(subscriber: _Subscriber, known: dict[str, Job], jobs: UserJobs) -> list[JobEvent]:
    """The events for what has changed since the last call, as it is now; `known` is updated."""
    subscriber.wake.clear()
    changed, subscriber.changed = subscriber.changed, set()
    now = await jobs.some(changed)
    events: list[JobEvent] = []
    for job_id in sorted(changed):
        job = now.get(job_id)
        if job is None and known.pop(job_id, None) is not None:
            events.append(JobRemoved(job_id))
        elif job is not None and known.get(job_id) != job:
            known[job_id] = job
            events.append(JobChanged(job))
    return events
