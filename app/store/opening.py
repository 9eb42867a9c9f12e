"""Opens a database for a server: locks it, checks it, makes it private, migrates it, and tidies up after the last run.

A database that can't be written (a read-only folder, a full disk) is opened for reading only.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from app.errors import ConfigurationError, DatabaseDamaged, StoreError, StoreFull, StoreReadOnly
from app.store import sqlite_files
from app.store.connections import sqlite_path, writing_engine
from app.store.damage import DamageLog
from app.store.migrate import RESTORE, head_revision, migrate, require_known, require_tables
from app.store.private_data import make_private, require_own
from app.store.repositories import Repositories
from app.store.server_lock import AdvisoryLock, FileLock, ServerLock
from app.store.storage_errors import DAMAGED, storage_errors
from app.system.private_files import create_folder


@dataclass(frozen=True, slots=True)
class Opening:
    """What was done when the store was opened."""

    interrupted: int = 0  # replies that a crash left running
    purged: int = 0  # conversations deleted permanently
    backup: Path | None = None  # made before a migration
    interrupted_jobs: int = 0  # that were running when the last server ended
    made_private: Sequence[Path] = ()  # files and folders that other accounts could read before
    read_only: StoreError | None = None  # raised by every write


def open_to_write(
    url: URL, data_dir: Path, damage: DamageLog, *, trash_days: int, busy_timeout_s: float
) -> tuple[ServerLock, Opening]:
    """Lock the database, create or migrate it if necessary, and tidy up. See :meth:`app.store.Store.open`."""
    if data_dir.exists() and not data_dir.is_dir():
        raise ConfigurationError(
            f"{data_dir} is not a folder. Move it away, or give Parley another one: PARLEY_DATA_DIR=other-folder"
        )
    path = sqlite_path(url)
    with ExitStack() as undo, storage_errors():
        create_folder(data_dir)
        if path is not None:
            _require_file(path)
        lock: ServerLock = AdvisoryLock(url) if path is None else FileLock(path)
        lock.take()
        undo.callback(lock.release)
        made_private = make_private(data_dir, path)
        if path is not None and not sqlite_files.is_new(path):
            _require_usable(path, writable=True)
        backup = migrate(url, data_dir)
        tidied = _tidy(url, damage, trash_days, busy_timeout_s)
        undo.pop_all()
    return lock, replace(tidied, backup=backup, made_private=made_private)


def open_to_read(url: URL, reason: StoreReadOnly | StoreFull) -> tuple[ServerLock, Opening]:
    """Check a SQLite database that can't be written because of `reason`, which is raised if it can't be read either."""
    path = sqlite_path(url)
    if path is None or not path.is_file() or sqlite_files.is_new(path):
        raise reason
    with ExitStack() as undo, storage_errors():
        lock = FileLock(path)
        with suppress(OSError):  # nobody can write here
            lock.take()
        undo.callback(lock.release)
        _require_usable(path, writable=False)
        if sqlite_files.revision_in(path, writable=False) != head_revision():
            raise ConfigurationError(
                f"{path} is from an older version of Parley and has to be updated, but it can't be written. "
                f"{reason.message}"
            )
        undo.pop_all()
    message = f"{path} can't be written, so nothing can be saved; all chats can be read. {_CURES[type(reason)]}"
    return lock, Opening(read_only=type(reason)(message))


_CURES: dict[type[StoreError], str] = {
    StoreReadOnly: "Make its folder writable, then restart Parley.",
    StoreFull: "Free some space on its disk, then restart Parley.",
}


def _require_file(path: Path) -> None:
    sqlite_files.is_new(path)  # raises for what can't be a database
    create_folder(path.parent)
    require_own(path)


def _require_usable(path: Path, *, writable: bool) -> None:
    """Check before anything is written, so that a database that can't be used stays unchanged."""
    sqlite_files.require_sound(path, RESTORE, writable=writable)
    require_known(sqlite_files.revision_in(path, writable=writable))


def _tidy(url: URL, damage: DamageLog, trash_days: int, busy_timeout_s: float) -> Opening:
    engine = writing_engine(url, busy_timeout_s=busy_timeout_s)
    try:
        with engine.begin() as connection, Session(connection) as session:
            require_tables(connection)
            repositories = Repositories(session, damage)
            repositories.users.ensure_local()
            interrupted = repositories.messages.interrupt_pending()
            purged = repositories.conversations.purge(trash_days)
            interrupted_jobs = repositories.jobs.interrupt_running()
            session.flush()
            return Opening(interrupted, purged, interrupted_jobs=interrupted_jobs)
    except (IntegrityError, StaleDataError) as error:  # rows contradict each other
        raise DatabaseDamaged(DAMAGED) from error
    finally:
        engine.dispose()
