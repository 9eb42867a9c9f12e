"""Database connections: SQLAlchemy engines, with the settings that durability and isolation need.

SQLite: write-ahead log, ``synchronous=FULL`` (a commit that returned survives a power cut), foreign keys on, no
memory mapping. Python's driver begins transactions implicitly, but not before a savepoint; so this is turned off, and
BEGIN is sent explicitly. PostgreSQL needs none of this.
"""

from __future__ import annotations

import importlib.util
import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from app.errors import ConfigurationError, MissingExtra
from app.store.damage import Damaged
from app.store.sqlite_files import read_only_uri

READERS = 4
BUSY_TIMEOUT_S = 5.0


def parse_url(url: str) -> URL:
    """The URL with the driver that Parley uses.

    Raises :class:`ConfigurationError` unless it is a URL of SQLite (with a file) or PostgreSQL, :class:`MissingExtra`
    when the driver for PostgreSQL is not installed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            "PARLEY_DATABASE_URL is not a database URL. Examples: sqlite:////var/lib/parley/parley.db, "
            "postgresql://user:password@host/parley. Leave it unset for SQLite in the data folder."
        ) from None
    match parsed.drivername.partition("+")[0]:
        case "sqlite":
            if parsed.database in (None, "", ":memory:"):
                raise ConfigurationError("A database in memory would be lost. Use a file: sqlite:///folder/parley.db")
            return parsed.set(drivername="sqlite+pysqlite")
        case "postgresql" | "postgres":
            if importlib.util.find_spec("psycopg") is None:
                raise MissingExtra("PostgreSQL needs its driver: pip install 'parley-chat[postgres]'", extra="postgres")
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise ConfigurationError(f"Parley keeps its data in SQLite or PostgreSQL, not in {other}.")


def sqlite_path(url: URL) -> Path | None:
    """The database's file with links resolved, or ``None`` for a database server.

    Raises :class:`ConfigurationError` for a link that points nowhere: its disk may not be mounted.
    """
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    given, path = Path(url.database), Path(os.path.realpath(url.database))
    if given.is_symlink() and not path.exists():
        raise ConfigurationError(f"{given} is a link to {path}, which doesn't exist. Is its disk mounted?")
    return path


def writing_engine(url: URL, *, busy_timeout_s: float = BUSY_TIMEOUT_S, foreign_keys: bool = True) -> Engine:
    """An engine with one connection, whose transactions take the write lock. Migrations turn `foreign_keys` off."""
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True)
    keys = "ON" if foreign_keys else "OFF"
    pragmas = ("journal_mode=WAL", "synchronous=FULL", f"foreign_keys={keys}", "mmap_size=0")
    return _sqlite_engine(url, 1, busy_timeout_s, "BEGIN IMMEDIATE", pragmas)


def reading_engine(
    url: URL, *, readers: int = READERS, busy_timeout_s: float = BUSY_TIMEOUT_S, writable: bool = True
) -> Engine:
    """An engine with up to `readers` read-only connections, whose transactions each see a consistent snapshot.

    `writable`: false for a SQLite database that can't be written.
    """
    if url.get_backend_name() == "sqlite":
        pragmas = ("query_only=ON", "mmap_size=0")
        return _sqlite_engine(_existing(url, writable), readers, busy_timeout_s, "BEGIN", pragmas)
    engine = create_engine(url, pool_size=readers, max_overflow=0, pool_pre_ping=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    return engine


def _decoded(raw: bytes) -> str | Damaged:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return Damaged("bad UTF-8")


def _existing(url: URL, writable: bool) -> URL:
    """A URL with which SQLite opens the database, also in a folder that can't be written, but never creates one."""
    path = sqlite_path(url)
    assert path is not None
    if writable and os.access(path.parent, os.W_OK):
        uri = f"{path.as_uri()}?mode=rw"
    else:
        uri = read_only_uri(path, writable=False)
    name, _, options = uri.partition("?")
    return url.set(database=name, query={**url.query, "uri": "true", **dict(parse_qsl(options))})


def _sqlite_engine(url: URL, connections: int, timeout_s: float, begin_with: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        connect_args={"timeout": timeout_s, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        connection.text_factory = _decoded
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin_with)

    return engine
