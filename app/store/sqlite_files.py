"""SQLite databases as files: check, copy, rename. Nothing here writes to an existing database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from app.errors import ConfigurationError, DatabaseDamaged
from app.store.storage_errors import storage_failure
from app.system.disk import sync
from app.system.private_files import create_file, create_folder

_HEADER = b"SQLite format 3\0"
WAL_SUFFIXES = ("-wal", "-shm")


def timestamp() -> str:
    """The current time for a file name: ``20261124-080000-123456``."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")


def is_new(path: Path) -> bool:
    """Whether there is no database yet (SQLite creates an empty file before it writes).

    Raises :class:`ConfigurationError` for a folder or anything else that can't be one.
    """
    if not path.exists():
        return True
    if not path.is_file():
        raise ConfigurationError(
            f"{path} is {'a folder' if path.is_dir() else 'not a file'}, so it can't be the database. Move it away, or "
            "set PARLEY_DATA_DIR to another folder."
        )
    return path.stat().st_size == 0


def read_only_uri(path: Path, *, writable: bool = True) -> str:
    """SQLite's URI of a database to read; also works in a folder that can't be written.

    To read a database with a write-ahead log SQLite needs the log's index. Where it can't create one, a database whose
    log is empty is opened as one that nobody changes. `writable`: false if the database is known not to be.
    """
    log = path.with_name(f"{path.name}-wal")
    unchanging = not (writable and os.access(path.parent, os.W_OK)) and (not log.exists() or log.stat().st_size == 0)
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if unchanging else ''}"


@contextmanager
def read_only(path: Path, *, writable: bool = True) -> Iterator[sqlite3.Connection]:
    """A read-only connection. SQLite's errors are raised as :class:`~app.errors.StoreError`."""
    try:
        with closing(sqlite3.connect(read_only_uri(path, writable=writable), uri=True, timeout=5)) as connection:
            connection.text_factory = _decoded
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:
        failure = storage_failure(error)
        if failure is None:
            raise
        raise failure from error


def _decoded(raw: bytes) -> str:
    """Text as SQLite stores it; damage may have made it anything."""
    return raw.decode(errors="replace")


def require_sound(path: Path, advice: str, *, thorough: bool = False, writable: bool = True) -> None:
    """Raise :class:`DatabaseDamaged`, with `advice` at its end, unless `path` is a sound database. Reads it all."""
    with path.open("rb") as file:
        if file.read(len(_HEADER)) != _HEADER:
            raise DatabaseDamaged(f"{path} is not a database. {advice}", path=str(path))
    problems = problems_of(path, thorough=thorough, writable=writable)
    if problems:
        raise DatabaseDamaged(f"{path} is damaged ({problems[0]}). {advice}", path=str(path))


def problems_of(path: Path, *, thorough: bool, writable: bool = True) -> list[str]:
    """The problems that SQLite finds in the file; `thorough` also compares the indexes with the tables."""
    check = "integrity_check" if thorough else "quick_check"
    try:
        with read_only(path, writable=writable) as connection:
            found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}(20)")]
    except DatabaseDamaged as error:
        return [str(error.__cause__)]
    return [] if found == ["ok"] else found


def revision_in(path: Path, *, writable: bool = True) -> str | None:
    """The revision of Parley's tables in the file; ``None`` if it has none."""
    with read_only(path, writable=writable) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def copy_database(source: Path, target: Path) -> None:
    """Copy a consistent snapshot of `source`, also while it is written. `target` appears atomically, private."""
    create_folder(target.parent)
    part = target.with_name(target.name + ".part")
    try:
        create_file(part)
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
