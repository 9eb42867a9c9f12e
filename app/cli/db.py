"""``parley db …``: check, back up and restore the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.errors import FAILED, reported
from app.config import Settings
from app.store.backup import backup, restore
from app.store.check import Report, check
from app.store.sqlite_files import timestamp

app = typer.Typer(
    help="""Check, back up and restore the database: all conversations, messages and ratings.

    It is `parley.db` in the data folder (`PARLEY_DATA_DIR`, default `data`), or wherever `PARLEY_DATABASE_URL` points.
    Before an update changes the tables, Parley makes a backup in `backups/` automatically.

    Examples:

        parley db check

        parley db backup

        parley db restore data/backups/parley-20261124-080000-000000.db
    """,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command("check")
@reported
def check_database() -> None:
    """Read every row of the database and name the damaged ones. Changes nothing; the server can keep running meanwhile.

    Exit code 1: something is wrong.

    Example:  parley db check
    """
    report = check(Settings().resolved_database_url)
    for line in _lines(report):
        print(line)
    if report.problems:
        print("Stop Parley and restore a backup: parley db restore FILE. The damaged file is kept.")
        raise typer.Exit(FAILED)


@app.command("backup")
@reported
def make_backup(
    target: Annotated[
        Path | None, typer.Argument(help="Backup file to create. Default: a new file in backups/ in the data folder.")
    ] = None,
) -> None:
    """Copy the database to one file for `parley db restore`. The server can keep running meanwhile.

    Examples:

        parley db backup

        parley db backup /mnt/usb/parley.db
    """
    settings = Settings()
    chosen = target or settings.data_dir / "backups" / f"parley-{timestamp()}.db"
    backup(settings.resolved_database_url, chosen)
    print(f"Backup: {chosen} ({chosen.stat().st_size / 1e6:.1f} MB)")


@app.command("restore")
@reported
def restore_backup(
    file: Annotated[Path, typer.Argument(help="A backup made by Parley.")],
) -> None:
    """Replace the database with a backup. Stop the server first; the current database is kept under another name.

    The backup is checked before anything changes.

    Example:  parley db restore data/backups/parley-20261124-080000-000000.db
    """
    url = Settings().resolved_database_url
    aside = restore(file, url)
    print(f"Restored: {file}")
    for line in _lines(check(url)):
        print(line)
    if aside is not None:
        print(f"The previous database is now {aside}. Delete it when you no longer need it.")


def _lines(report: Report) -> list[str]:
    lines = [f"{n:>9,} {name}" for name, n in report.counts.items()]
    if report.size_bytes is not None:
        lines.append(f"{report.size_bytes / 1e6:>9,.1f} MB")
    if report.revision is not None:
        state = "" if report.up_to_date else ": from an older version; the next `parley serve` updates it"
        lines.append(f"Tables of revision {report.revision}{state}")
    if report.running:
        lines.append(
            f"{report.running} replies are being written, or were when Parley crashed; the next start marks them."
        )
    return [
        *lines,
        *(f"Problem: {p}" for p in report.problems),
        *([] if report.problems else ["No problems found."]),
    ]
