"""The one thread that writes: what waits shares one transaction (group commit).

A commit costs a disk flush of some milliseconds, whether it holds one change or two hundred. Each piece of work
runs in a savepoint of its own, so one that fails takes nothing of its neighbours with it; all answers are given
after the commit, never before.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.errors import StoreError
from app.store.repositories import Repositories
from app.store.storage_errors import storage_failure

T = TypeVar("T")
Work = Callable[[Repositories], T]

GROUP = 256  # at most so many works wait for one commit


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    future: Future[Any]


@dataclass(frozen=True, slots=True)
class _Outcome:
    future: Future[Any]
    value: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Runs works one after the other on its own thread; `engine` must have one connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="parley-store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        """Queue `work`; the future is done when its change is committed, or when it failed.

        A future cancelled before its work began takes the work out of the queue.
        """
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise StoreError("The database is closed: Parley is stopping.")
            self._waiting.put(_Job(work, future))
        return future

    def close(self) -> None:
        """Do what still waits, then end. Idempotent."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_ = True
        while open_:
            jobs, open_ = self._take()
            running = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if running:
                for outcome in self._commit(running):
                    outcome.tell()

    def _take(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then take those that wait behind it; false: the writer is closed."""
        jobs: list[_Job] = []
        while len(jobs) < GROUP:
            try:
                job = self._waiting.get(block=not jobs)
            except queue.Empty:
                break
            if job is None:
                return jobs, False
            jobs.append(job)
        return jobs, True

    def _commit(self, jobs: list[_Job]) -> list[_Outcome]:
        try:
            with self._engine.begin() as connection:
                return [_attempt(connection, job) for job in jobs]
        except (SQLAlchemyError, StoreError) as error:
            # Begin, commit or the storage under one of the works failed: nothing of this group was saved.
            failure = error if isinstance(error, StoreError) else storage_failure(error) or error
            return [_Outcome(job.future, error=failure) for job in jobs]


def _attempt(connection: Connection, job: _Job) -> _Outcome:
    """One work in a savepoint. Raises :class:`StoreError` when the storage failed, which ends the whole group."""
    try:
        with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
            value = job.work(Repositories(session))
    except Exception as error:  # the worker loop lives on; whoever asked gets the error
        failure = storage_failure(error)
        if failure is not None:
            raise failure from error
        return _Outcome(job.future, error=error)
    return _Outcome(job.future, value=value)
