"""The writer thread: queued changes share one transaction (group commit).

A commit costs a disk flush of a few milliseconds, for one change as for two hundred. Each piece of work runs in its own
savepoint, so a failing one does not affect the others; results are returned only after the commit.
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

from app.errors import DatabaseGone, StoreError
from app.store.damage import DamageLog
from app.store.repositories import Repositories
from app.store.storage_errors import storage_failure

T = TypeVar("T")
Work = Callable[[Repositories], T]

GROUP = 256  # pieces of work per commit, at most

GONE = (
    "The database file, or its write-ahead log, was deleted, moved or replaced by another program. Nothing was saved. "
    "Put it back, or restart Parley to use what is there now. Until then the old chats can still be read and exported."
)


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


class RefusingWriter:
    """In place of a writer where nothing can be written: every change raises `reason`."""

    def __init__(self, reason: StoreError) -> None:
        self._reason = reason

    def submit(self, work: Work[T]) -> Future[T]:
        """Raises the reason."""
        raise type(self._reason)(self._reason.message)

    def close(self) -> None:
        """Does nothing."""


class Writer:
    """Runs queued work on its own thread; `engine` must have exactly one connection.

    SQLite also writes to a file that has no name any more. So `in_place`, which says whether the database is still
    there, is asked before each commit: what it acknowledges can be found again.
    """

    def __init__(self, engine: Engine, damage: DamageLog, in_place: Callable[[], bool]) -> None:
        self._engine, self._damage, self._in_place = engine, damage, in_place
        self._waiting: queue.SimpleQueue[_QueuedWork | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="parley-store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        """Queue `work`; the future is done when its change is committed or has failed.

        Cancelling the future before its work has started removes the work from the queue.
        """
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise StoreError("The database is closed: Parley is stopping.")
            self._waiting.put(_QueuedWork(work, future))
        return future

    def close(self) -> None:
        """Commit the queued work, then stop the thread. Idempotent."""
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
        """Wait for work, then take what else is queued; False if the writer is closed."""
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
                results = [self._attempt(connection, one) for one in queued]
                if not self._in_place():
                    raise DatabaseGone(GONE)
                return results
        except (SQLAlchemyError, StoreError) as error:
            # The begin, the commit or the storage failed: nothing of this group was saved.
            failure = error if isinstance(error, StoreError) else storage_failure(error) or error
            return [_Result(one.future, error=failure) for one in queued]

    def _attempt(self, connection: Connection, one: _QueuedWork) -> _Result:
        """Run one piece of work in a savepoint. Raises :class:`StoreError`, for the group, if the storage fails."""
        try:
            with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
                value = one.work(Repositories(session, self._damage))
        except Exception as error:  # passed to the caller; the writer goes on
            failure = storage_failure(error)
            if failure is not None:
                raise failure from error
            return _Result(one.future, error=error)
        return _Result(one.future, value=value)
