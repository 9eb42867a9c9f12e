"""The writer thread: changes that wait share one transaction (group commit).

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
class _QueuedWork:
    work: Work[Any]
    future: Future[Any]


@dataclass(frozen=True, slots=True)
class _Result:
    future: Future[Any]
    value: Any = None
    error: BaseException | None = None

    def resolve(self) -> None:
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Runs works one after the other on its own thread; `engine` must have one connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[_QueuedWork | None] = queue.SimpleQueue()
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
            self._waiting.put(_QueuedWork(work, future))
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
            queued, open_ = self._take()
            running = [one for one in queued if one.future.set_running_or_notify_cancel()]
            if running:
                for result in self._commit(running):
                    result.resolve()

    def _take(self) -> tuple[list[_QueuedWork], bool]:
        """Wait for work, then take what is queued behind it; false: the writer is closed."""
        queued: list[_QueuedWork] = []
        while len(queued) < GROUP:
            try:
                one = self._waiting.get(block=not queued)
            except queue.Empty:
                break
            if one is None:
                return queued, False
            queued.append(one)
        return queued, True

    def _commit(self, queued: list[_QueuedWork]) -> list[_Result]:
        try:
            with self._engine.begin() as connection:
                return [_attempt(connection, one) for one in queued]
        except (SQLAlchemyError, StoreError) as error:
            # Begin, commit or the storage under one of the works failed: nothing of this group was saved.
            failure = error if isinstance(error, StoreError) else storage_failure(error) or error
            return [_Result(one.future, error=failure) for one in queued]


def _attempt(connection: Connection, one: _QueuedWork) -> _Result:
    """One work in a savepoint. Raises :class:`StoreError` when the storage failed, which ends the whole group."""
    try:
        with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
            value = one.work(Repositories(session))
    except Exception as error:  # the worker loop lives on; whoever asked gets the error
        failure = storage_failure(error)
        if failure is not None:
            raise failure from error
        return _Result(one.future, error=error)
    return _Result(one.future, value=value)
