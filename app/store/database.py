"""The store: opened once by a server, written by one thread, read by several.

``await store.write(work)`` returns once the change is committed. `work` gets
:class:`~app.store.repositories.Repositories` and runs on the writer's thread, so it must not wait for anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from app.errors import ConfigurationError, StoreFull, StoreReadOnly
from app.store import sqlite_files
from app.store.connections import BUSY_TIMEOUT_S, READERS, parse_url, reading_engine, sqlite_path, writing_engine
from app.store.damage import DamageLog
from app.store.migrate import head_revision, require_tables, revision_of
from app.store.opening import Opening, open_to_read, open_to_write
from app.store.repositories import Repositories
from app.store.server_lock import ServerLock
from app.store.storage_errors import storage_errors
from app.store.writer import RefusingWriter, Writer

T = TypeVar("T")


class Store:
    """Opened by :meth:`open`, closed by :meth:`close`; allows any number of concurrent reads and writes.

    `opening` says what was done when it was opened, `damage` which damaged rows were found since.
    """

    def __init__(self, url: URL, lock: ServerLock, opening: Opening, damage: DamageLog, busy_timeout_s: float) -> None:
        self.opening = opening
        self.damage = damage
        self._lock = lock
        self._writing = writing_engine(url, busy_timeout_s=busy_timeout_s)
        self._reading = reading_engine(url, busy_timeout_s=busy_timeout_s, writable=opening.read_only is None)
        refused = opening.read_only
        self._writer = RefusingWriter(refused) if refused else Writer(self._writing, damage, lock.in_place)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="parley-store-reader")
        _connect_all(self._reading)
        if refused is None:
            lock.watch_log()

    @classmethod
    def open(cls, url: str, data_dir: Path, *, trash_days: int = 7, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Store:
        """Open the database for a server; create or migrate it if necessary. `opening` says what was done.

        Replies that a crash left running are marked interrupted, conversations in the trash for more than `trash_days`
        are deleted. A database that can't be written is opened for reading; every write then fails. Raises
        :class:`ConfigurationError` (an invalid URL, another server is running), :class:`~app.errors.DatabaseTooNew`,
        :class:`~app.errors.DatabaseDamaged`, :class:`~app.errors.StoreBusy`.
        """
        parsed, damage = parse_url(url), DamageLog()
        try:
            lock, opening = open_to_write(
                parsed, data_dir, damage, trash_days=trash_days, busy_timeout_s=busy_timeout_s
            )
        except (StoreReadOnly, StoreFull) as reason:
            lock, opening = open_to_read(parsed, reason)
        return cls(parsed, lock, opening, damage, busy_timeout_s)

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
        return await loop.run_in_executor(self._readers, self._read, work)

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

    def _read(self, work: Callable[[Repositories], T]) -> T:
        with storage_errors(), self._reading.connect() as connection, Session(connection) as session:
            return work(Repositories(session, self.damage))


def _connect_all(reading: Engine) -> None:
    """Open all connections, so that none is opened later, when another file may have taken the database's place.

    SQLite opens the files only when something is read.
    """
    with ExitStack() as stack, storage_errors():
        for _ in range(READERS):
            stack.enter_context(reading.connect()).exec_driver_sql("SELECT id FROM users LIMIT 1")


@contextmanager
def reading(url: str) -> Iterator[Repositories]:
    """Repositories for commands that only read, also while a server uses the database. Nothing is migrated.

    Raises :class:`ConfigurationError` when there is no database yet or it is from an older version.
    """
    parsed = _existing(url)
    with _transaction(reading_engine(parsed, readers=1)) as repositories:
        yield repositories


@contextmanager
def changing(url: str) -> Iterator[Repositories]:
    """Like :func:`reading`, for one small change by a command, committed at the end of the context.

    A server may be running: what it keeps in memory must not depend on what is changed. It finds changed jobs by
    looking for them.
    """
    parsed = _existing(url)
    with _transaction(writing_engine(parsed)) as repositories:
        yield repositories


def _existing(url: str) -> URL:
    """The URL of a database that exists."""
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    if path is not None and sqlite_files.is_new(path):
        raise ConfigurationError(
            f"There is no database at {path} yet. `parley serve` creates it. Is PARLEY_DATA_DIR set as for the server?"
        )
    return parsed


@contextmanager
def _transaction(engine: Engine) -> Iterator[Repositories]:
    try:
        with storage_errors(), engine.begin() as connection, Session(connection) as session:
            if revision_of(connection) != head_revision():
                raise ConfigurationError(
                    "The database is from an older version of Parley. Start `parley serve` once: it makes a backup "
                    "and updates the database."
                )
            require_tables(connection)
            yield Repositories(session, DamageLog())
            session.flush()
    finally:
        engine.dispose()
