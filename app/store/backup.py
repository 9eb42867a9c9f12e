"""Backup and restore of a SQLite database. PostgreSQL has its own tools for both."""

from __future__ import annotations

from pathlib import Path

from app.errors import ConfigurationError, DatabaseDamaged, InvalidRequest
from app.store import sqlite_files
from app.store.connections import parse_url, sqlite_path
from app.store.migrate import require_known
from app.store.server_lock import FileLock
from app.system.disk import sync
from app.system.private_files import create_folder


def backup(url: str, target: Path) -> None:
    """Copy the database to `target` and check the copy, also while a server writes to the database.

    Raises :class:`InvalidRequest` when `target` exists, :class:`ConfigurationError` when there is nothing to copy or
    it is not SQLite, :class:`DatabaseDamaged`, :class:`~app.errors.StoreFull`.
    """
    path = _file(url, "pg_dump --format=custom")
    if sqlite_files.is_new(path):
        raise ConfigurationError(
            f"There is no database at {path} to back up. Is PARLEY_DATA_DIR the same as for the server?"
        )
    if target.exists():
        raise InvalidRequest(f"{target} already exists. Choose a new name, or leave it out.", field="target")
    sqlite_files.copy_database(path, target)
    sqlite_files.require_sound(target, "The backup can't be used. Check the database with `parley db check`.")


def restore(backup_file: Path, url: str) -> Path | None:
    """Replace the database by `backup_file`; returns the new path of the replaced database, if there was one.

    Nothing is changed before the backup has been checked completely. Raises :class:`DatabaseDamaged`,
    :class:`~app.errors.DatabaseTooNew` or :class:`InvalidRequest` when it can't be used, :class:`ConfigurationError`
    while a server uses the database.
    """
    path = _file(url, "pg_restore")
    _require_backup(backup_file)
    create_folder(path.parent)
    existed = not sqlite_files.is_new(path)
    lock = FileLock(path)
    lock.take()
    try:
        incoming = path.with_name(path.name + ".incoming")
        sqlite_files.copy_database(backup_file, incoming)
        aside = sqlite_files.put_aside(path) if existed else None
        incoming.replace(path)
        sync(path.parent)
        return aside
    finally:
        lock.release()


def _file(url: str, tool: str) -> Path:
    path = sqlite_path(parse_url(url))
    if path is None:
        raise ConfigurationError(f"The database is not SQLite: use your database's own tool, for PostgreSQL `{tool}`.")
    return path


def _require_backup(path: Path) -> None:
    if not path.is_file():
        raise InvalidRequest(f"There is no file {path}. Backups are in backups/ in the data folder.", field="file")
    sqlite_files.require_sound(path, "The database was not changed. Choose another backup.", thorough=True)
    revision = sqlite_files.revision_in(path)
    if revision is None:
        raise DatabaseDamaged(f"{path} is a database, but not Parley's. The database was not changed.")
    require_known(revision)
