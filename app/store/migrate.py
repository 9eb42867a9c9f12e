"""Migrates a database to the tables of this version, after a backup copy.

Alembic is configured here and not in a file, so that migrations work from an installed wheel. On SQLite everything
runs in one transaction: a failed migration leaves the database unchanged.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError

from app.errors import ConfigurationError, DatabaseDamaged, DatabaseTooNew
from app.store import sqlite_files
from app.store.connections import sqlite_path, writing_engine
from app.store.storage_errors import storage_failure
from app.store.tables import Base

RESTORE = "Stop Parley and restore a backup: parley db restore FILE (backups are in backups/ in the data folder)."
KEPT_BACKUPS = 10
_MIGRATIONS = Path(__file__).parent / "migrations"


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, with the connection for ``migrations/env.py``."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    """The revision of this version's tables."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None, "the package has no migrations"
    return head


def known_revisions() -> set[str]:
    """Every revision that this version can start from."""
    return {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}


def revision_of(connection: Connection) -> str | None:
    """The database's revision; ``None`` for an empty one.

    Raises :class:`DatabaseTooNew` for an unknown revision, :class:`DatabaseDamaged` for more than one,
    :class:`ConfigurationError` for a database with other tables.
    """
    try:
        revision = MigrationContext.configure(connection).get_current_revision()
    except CommandError as error:
        raise _unlike_parleys(error) from error
    if revision is None and inspect(connection).get_table_names():
        raise ConfigurationError(
            "This database has tables that aren't Parley's. Set PARLEY_DATABASE_URL to another one, or leave it unset."
        )
    return require_known(revision)


def require_known(revision: str | None) -> str | None:
    """Return `revision`. Raises :class:`DatabaseTooNew` if it is from a later version."""
    if revision is not None and revision not in known_revisions():
        raise DatabaseTooNew(
            f"This database was written by a newer Parley (revision {revision}; this version supports up to "
            f"{head_revision()}). Nothing was changed. Update Parley, or restore a backup made before the update with "
            "`parley db restore FILE`; backups are in backups/ in the data folder.",
            revision=revision,
            known=head_revision(),
        )
    return revision


def require_tables(connection: Connection) -> None:
    """Raise :class:`DatabaseDamaged` if a table or column of this version is missing.

    Each is named once, so that it is noticed now and not by the first request that needs it.
    """
    try:
        for table in Base.metadata.sorted_tables:
            connection.execute(select(table).limit(0))
        if connection.dialect.name == "sqlite":
            connection.execute(text("SELECT rowid FROM search_index LIMIT 0"))
    except DBAPIError as error:
        if storage_failure(error) is not None:
            raise
        raise _unlike_parleys(error.orig or error) from error


def _unlike_parleys(cause: BaseException) -> DatabaseDamaged:
    return DatabaseDamaged(f"The tables of the database are not as Parley made them ({cause}). {RESTORE}")


def migrate(url: URL, data_dir: Path) -> Path | None:
    """Migrate the database to :func:`head_revision`; returns the path of the backup, if one was made.

    Raises the errors of :func:`revision_of`, and :class:`DatabaseDamaged`.
    """
    engine = writing_engine(url, foreign_keys=False)
    try:
        with engine.begin() as connection:
            revision = revision_of(connection)
        if revision == head_revision():
            return None
        path = sqlite_path(url)
        backup = _back_up(path, revision, data_dir / "backups") if path is not None and revision is not None else None
        with engine.begin() as connection:
            command.upgrade(alembic_config(connection), "head")
            if path is not None:
                _require_whole(connection)
        return backup
    finally:
        engine.dispose()


def _require_whole(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise DatabaseDamaged(
            f"Rows of table {broken[0]} point to rows that no longer exist, so the database was not updated and "
            "stays as it was. Run `parley db check`, or restore a backup with `parley db restore FILE`."
        )


def _back_up(path: Path, revision: str, folder: Path) -> Path:
    target = folder / f"parley-{revision}-{sqlite_files.timestamp()}.db"
    sqlite_files.copy_database(path, target)
    for old in sorted(folder.glob("parley-*.db"), key=lambda p: p.stat().st_mtime)[:-KEPT_BACKUPS]:
        old.unlink()
    return target
