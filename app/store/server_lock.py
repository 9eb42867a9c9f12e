"""Locks that allow one server per database: a second one would mark the first one's running replies interrupted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection, NullPool, create_engine, func, select

from app.errors import ConfigurationError
from app.system.locks import try_lock


class ServerLock(Protocol):
    """A lock that a server holds while it runs."""

    def take(self) -> None:
        """Raises :class:`ConfigurationError` when another process holds it."""

    def release(self) -> None:
        """Let another have it. Idempotent."""


class FileLock:
    """For SQLite: a lock file next to the database. The kernel releases it when the process ends for any reason."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._file: int | None = None

    def take(self) -> None:
        """Raises :class:`ConfigurationError` when another process holds it."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not try_lock(file):
            pid = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise ConfigurationError(
                f"Another Parley is using this data folder ({self._path.parent}, process {pid}). Stop it, or give this "
                "one its own folder: PARLEY_DATA_DIR=other-folder",
                pid=pid,
            )
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Let another have it. Idempotent."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


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

    def release(self) -> None:
        """Let another have it. Idempotent."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
