"""SQLite databases as files: check, copy, rename. Nothing here writes to an existing database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from app.errors import DatabaseDamaged
from app.store.storage_errors import storage_failure
from app.system.disk import sync

_HEADER = b"SQLite format 3\0"
WAL_SUFFIXES = ("-wal", "-shm")


def timestamp() -> str:
    """The current time for a file name: ``20261124-080000-123456``."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")


def is_new(path: Path) -> bool:
    """Whether there is no database yet (SQLite creates an empty file before it writes)."""
    return not path.exists() or path.stat().st_size == 0


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection. SQLite's errors are raised as :class:`~app.errors.StoreError`."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            yield connection
    except sqlite3.Error as error:
        failure = storage_failure(error)
        if failure is None:
            raise
        raise failure from error


def require_sound(path: Path, advice: str, *, thorough: bool = False) -> None:
    """Raise :class:`DatabaseDamaged`, with `advice` at its end, unless `path` is a sound database. Reads it all."""
    with path.open("rb") as file:
        if file.read(len(_HEADER)) != _HEADER:
            raise DatabaseDamaged(f"{path} is not a database. {advice}", path=str(path))
    problems = problems_of(path, thorough=thorough)
    if problems:
        raise DatabaseDamaged(f"{path} is damaged ({problems[0]}). {advice}", path=str(path))


def problems_of(path: Path, *, thorough: bool) -> list[str]:
    """The problems that SQLite finds in the file; `thorough` also compares the indexes with the tables."""
    check = "integrity_check" if thorough else "quick_check"
    try:
        with read_only(path) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}(20)")]
    except DatabaseDamaged as error:
        return [str(error.__cause__)]
    return [] if found == ["ok"] else found


def revision_in(path: Path) -> str | None:
    """The revision of Parley's tables in the file; ``None`` if it has none."""
    with read_only(path) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def copy_database(source: Path, target: Path) -> None:
    """Copy a consistent snapshot of `source`, also while it is written. `target` appears atomically."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        with read_only(source) as reading, closing(sqlite3.connect(part)) as writing:
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode=DELETE")  # a single file
        sync(part)
        part.replace(target)
        sync(target.parent)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def put_aside(path: Path) -> Path | None:
    """Rename a database with its WAL files; returns its new path, or ``None`` if there was none."""
    if not path.exists():
        return None
    aside = path.with_name(f"{path.name}.replaced-{timestamp()}")
    os.link(path, aside)  # `path` itself stays until it is replaced
    for suffix in WAL_SUFFIXES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside
