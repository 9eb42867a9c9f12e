"""The store: opened once by a server, written by one thread, read by several.

``await store.write(work)`` returns once the change is committed. `work` gets
:class:`~app.store.repositories.Repositories` and runs on the writer's thread, so it must not wait for anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from app.errors import ConfigurationError
from app.store import sqlite_files
from app.store.connections import BUSY_TIMEOUT_S, READERS, parse_url, reading_engine, sqlite_path, writing_engine
from app.store.migrate import head_revision, migrate, require_known, revision_of
from app.store.repositories import Repositories
from app.store.server_lock import AdvisoryLock, FileLock, ServerLock
from app.store.storage_errors import storage_errors
from app.store.writer import Writer

T = TypeVar("T")
RESTORE = "Stop Parley and restore a backup: parley db restore FILE (backups are in backups/ in the data folder)."


@dataclass(frozen=True, slots=True)
class Opening:
    """What was done when the store was opened."""

    interrupted: int  # replies that a crash left running
    purged: int  # conversations deleted permanently
    backup: Path | None  # made before a migration


class Store:
    """Opened by :meth:`open`, closed by :meth:`close`; allows any number of concurrent reads and writes."""

    def __init__(self, url: URL, lock: ServerLock, opening: Opening, busy_timeout_s: float) -> None:
        self.opening = opening
        self._lock = lock
        self._writing = writing_engine(url, busy_timeout_s=busy_timeout_s)
        self._reading = reading_engine(url, busy_timeout_s=busy_timeout_s)
        self._writer = Writer(self._writing)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="parley-store-reader")

    @classmethod
    def open(cls, url: str, data_dir: Path, *, trash_days: int = 7, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Store:
        """Open the database for a server; create or migrate it if necessary. `opening` says what was done.

        Replies that a crash left running are marked interrupted, conversations in the trash for more than `trash_days`
        are deleted. Raises :class:`ConfigurationError` (an invalid URL, another server is running),
        :class:`~app.errors.DatabaseTooNew`, :class:`~app.errors.DatabaseDamaged`, :class:`~app.errors.StoreBusy`.
        """
        parsed = parse_url(url)
        path = sqlite_path(parsed)
        with ExitStack() as undo, storage_errors():
            data_dir.mkdir(parents=True, exist_ok=True)
            lock = _lock(parsed, path)
            undo.callback(lock.release)
            if path is not None and not sqlite_files.is_new(path):
                _require_usable(path)
            backup = migrate(parsed, data_dir)
            interrupted, purged = _tidy(parsed, trash_days, busy_timeout_s)
            store = cls(parsed, lock, Opening(interrupted, purged, backup), busy_timeout_s)
            undo.pop_all()
        return store

    def submit(self, work: Callable[[Repositories], T]) -> Future[T]:
        """Queue `work` for the writer; the future is done once it is committed. For callers outside an event loop."""
        return self._writer.submit(work)

    async def write(self, work: Callable[[Repositories], T]) -> T:
        """Run `work` on the writer's thread and return its result after the commit.

        An error in `work` rolls back its own changes only. Raises :class:`~app.errors.StoreError` when the database
        could not save them. Cancelling the caller removes `work` from the queue if it has not started: shield what
        must be saved.
        """
        return await asyncio.wrap_future(self.submit(work))

    async def read(self, work: Callable[[Repositories], T]) -> T:
        """Run `work`, which only reads, on a reader's thread, in a consistent snapshot of the database."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, _read, self._reading, work)

    async def close(self) -> None:
        """Commit the queued work, then close the database. Idempotent."""
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """:meth:`close` for callers without an event loop."""
        self._writer.close()
        self._readers.shutdown()
        self._reading.dispose()  # before the writer's: the last connection to close is the one that checkpoints
        self._writing.dispose()
        self._lock.release()


@contextmanager
def reading(url: str) -> Iterator[Repositories]:
    """Repositories for commands that only read, also while a server uses the database. Nothing is migrated.

    Raises :class:`ConfigurationError` when there is no database yet or it is from an older version.
    """
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is not None and sqlite_files.is_new(path):
        raise ConfigurationError(
            f"There is no database at {path} yet. `parley serve` creates it. Is PARLEY_DATA_DIR set as for the server?"
        )
    engine = reading_engine(parsed, readers=1)
    try:
        with storage_errors(), engine.begin() as connection, Session(connection) as session:
            if revision_of(connection) != head_revision():
                raise ConfigurationError(
                    "The database is from an older version of Parley. Start `parley serve` once: it makes a backup "
                    "and updates the database."
                )
            yield Repositories(session)
    finally:
        engine.dispose()


def _lock(url: URL, path: Path | None) -> ServerLock:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = AdvisoryLock(url) if path is None else FileLock(path)
    lock.take()
    return lock


def _require_usable(path: Path) -> None:
    """Check before anything is written, so that a database that can't be used stays unchanged."""
    sqlite_files.require_sound(path, RESTORE)
    require_known(sqlite_files.revision_in(path))


def _tidy(url: URL, trash_days: int, busy_timeout_s: float) -> tuple[int, int]:
    engine = writing_engine(url, busy_timeout_s=busy_timeout_s)
    try:
        with engine.begin() as connection, Session(connection) as session:
            repositories = Repositories(session)
            repositories.users.ensure_local()
            interrupted = repositories.messages.interrupt_pending()
            purged = repositories.conversations.purge(trash_days)
            session.flush()
            return interrupted, purged
    finally:
        engine.dispose()


def _read(engine: Engine, work: Callable[[Repositories], T]) -> T:
    with storage_errors(), engine.connect() as connection, Session(connection) as session:
        return work(Repositories(session))
