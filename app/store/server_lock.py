"""Locks that allow one server per database: a second one would mark the first one's running replies interrupted."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection, NullPool, create_engine, func, select

from app.errors import ConfigurationError
from app.system.locks import try_lock, try_lock_byte
from app.system.private_files import FILE_MODE


class ServerLock(Protocol):
    """A lock that a server holds while it runs."""

    def take(self) -> None:
        """Raises :class:`ConfigurationError` when another process holds it."""

    def watch_log(self) -> None:
        """From now on :meth:`in_place` is about the write-ahead log too. Called when all connections are open."""

    def in_place(self) -> bool:
        """Whether the locked database is still the one that connections opened now would reach."""

    def release(self) -> None:
        """Let another have it. Idempotent."""


class FileLock:
    """For SQLite: a lock on the database file and one on a file next to it, which contains the process id.

    The kernel releases both when the process ends for any reason. The lock of the database file also holds when another
    server reaches it through a link, or when the file next to it was deleted.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._files: list[int] = []
        self._locked: tuple[int, int] | None = None  # device and inode of the database
        self._log_path = database.with_name(database.name + "-wal")
        self._log: tuple[int, int] | None = None  # device and inode of the write-ahead log

    def take(self) -> None:
        """Create the database file if there is none. Raises :class:`ConfigurationError` if another process holds it."""
        try:
            noted = self._open(self._path, try_lock)
            self._open(self._database, try_lock_byte)
            while not self.in_place():  # a restore replaced it meanwhile
                os.close(self._files.pop())
                self._open(self._database, try_lock_byte)
            _note_process(noted)
        except BaseException:
            self.release()
            raise

    def watch_log(self) -> None:
        """The log stays the same file while there is a connection. What is written to a deleted one, a crash loses."""
        self._log = _identity(self._log_path.stat())

    def in_place(self) -> bool:
        """Whether the locked database is still what its path leads to: not deleted, moved or replaced."""
        try:
            log_in_place = self._log is None or _identity(self._log_path.stat()) == self._log
            return log_in_place and _identity(self._database.stat()) == self._locked
        except OSError:
            return False

    def release(self) -> None:
        """Let another have it. Idempotent."""
        if self._files:
            with suppress(OSError):
                os.ftruncate(self._files[0], 0)
        while self._files:
            os.close(self._files.pop())

    def _open(self, path: Path, lock: Callable[[int], bool]) -> int:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        if not lock(file):
            os.close(file)
            raise self._refusal()
        self._files.append(file)
        self._locked = _identity(os.fstat(file))
        return file

    def _refusal(self) -> ConfigurationError:
        pid = self._process()
        return ConfigurationError(
            f"Another Parley is using this data folder ({self._path.parent}, process {pid}). Stop it, or give this one "
            "its own folder: PARLEY_DATA_DIR=other-folder",
            pid=pid,
        )

    def _process(self) -> str:
        try:
            return self._path.read_text("ascii", "replace").strip()[:32] or "unknown"
        except OSError:
            return "unknown"


def _identity(file: os.stat_result) -> tuple[int, int]:
    return file.st_dev, file.st_ino


def _note_process(file: int) -> None:
    """Write the process id, for messages only: a full disk is no reason not to start."""
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())


class AdvisoryLock:
    """For PostgreSQL: an advisory lock, held by a separate connection."""

    KEY = int.from_bytes(b"parley", "big")

    def __init__(self, url: URL) -> None:
        self._engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None

    def take(self) -> None:
        """Raises :class:`ConfigurationError` when another process holds it."""
        connection = self._engine.connect()
        if not connection.scalar(select(func.pg_try_advisory_lock(self.KEY))):
            connection.close()
            raise ConfigurationError(
                "Another Parley is using this database. Stop it, or give this one its own database: PARLEY_DATABASE_URL"
            )
        self._connection = connection

    def watch_log(self) -> None:
        """Nothing to do."""

    def in_place(self) -> bool:
        """Always: a database server looks after its own files."""
        return True

    def release(self) -> None:
        """Let another have it. Idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
