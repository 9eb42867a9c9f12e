"""Translates errors of a database or a disk into :class:`~app.errors.StoreError`."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from app.errors import DatabaseDamaged, StoreBusy, StoreError, StoreFull, StoreReadOnly
from app.system.disk import DISK_FULL

_IOERR_SHMSIZE = sqlite3.SQLITE_IOERR_SHMSIZE  # the write-ahead log's index did not fit on the disk

BUSY = (
    "The database is locked by another program. Nothing was saved. Try again; if this keeps happening, check which "
    "program has it open."
)
FULL = "The disk with the database is full. Nothing was saved. Free some space and try again."
DAMAGED = (
    "The database is damaged. Stop Parley, run `parley db check`, and restore the newest backup with "
    "`parley db restore FILE`; the damaged file is kept."
)
REFUSED = "The database can't be opened or written. Check the permissions of its folder and file."
DISK = "The disk with the database reported an error. Nothing was saved. Check the system log."
UNREACHABLE = "The database server doesn't answer. Nothing was saved; try again."


def storage_failure(error: BaseException) -> StoreError | None:
    """The storage error behind `error` or one of its causes; ``None`` if the storage did not fail.

    When a database has already aborted a transaction, later statements fail with "no such savepoint", so the whole
    chain of causes is examined.
    """
    at: BaseException | None = error
    while at is not None:
        code = getattr(at, "sqlite_errorcode", None)
        state = getattr(at, "sqlstate", None)
        found = _sqlite(code) if isinstance(code, int) else _postgresql(state) if isinstance(state, str) else None
        if found is None and isinstance(at, OSError):
            found = _disk(at)
        if found is None and isinstance(at, UnicodeDecodeError):  # of a value, or of SQLite's message about damage
            found = DatabaseDamaged(DAMAGED)
        if found is not None:
            return found
        if getattr(at, "connection_invalidated", False):
            return StoreBusy(UNREACHABLE, retry_after_s=5)
        at = at.__cause__ or at.__context__
    return None


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise errors of the database or the disk as the corresponding :class:`StoreError`."""
    try:
        yield
    except (DBAPIError, OSError, UnicodeDecodeError) as error:
        failure = storage_failure(error)
        if failure is None:
            raise
        raise failure from error


def _sqlite(code: int) -> StoreError | None:
    match code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusy(BUSY, retry_after_s=1)
        case sqlite3.SQLITE_FULL:
            return StoreFull(FULL)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return DatabaseDamaged(DAMAGED)
        case sqlite3.SQLITE_READONLY:
            return StoreReadOnly(REFUSED)
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return StoreError(REFUSED)
        case sqlite3.SQLITE_IOERR:
            return StoreFull(FULL) if code == _IOERR_SHMSIZE else StoreError(DISK)
    return None


def _disk(error: OSError) -> StoreError | None:
    if error.errno in DISK_FULL:
        return StoreFull(FULL)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreReadOnly(f"{REFUSED} ({error.filename}: {error.strerror})")
    if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return StoreError(f"{REFUSED} ({error.filename}: {error.strerror})")
    return StoreError(DISK) if error.errno == errno.EIO else None


def _postgresql(state: str) -> StoreError | None:
    if state in ("55P03", "40001", "40P01"):  # lock not available, serialization failure, deadlock
        return StoreBusy(BUSY, retry_after_s=1)
    if state.startswith("08") or state in ("57P01", "57P03", "53300"):  # connection, shutdown, start, too many
        return StoreBusy(UNREACHABLE, retry_after_s=5)
    if state == "53100":
        return StoreFull(FULL)
    if state.startswith("XX"):
        return DatabaseDamaged(DAMAGED)
    return None
