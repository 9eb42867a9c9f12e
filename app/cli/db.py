"""``parley db …``: look at the database, copy it, put a copy back."""

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

    It lies in the data folder (`PARLEY_DATA_DIR`, default `data`) as `parley.db`, or where `PARLEY_DATABASE_URL` says.
    Parley makes a backup by itself, under `backups/`, before an update changes the tables.

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
    """Read the whole database and say whether it is sound. Changes nothing; a server may be at work meanwhile.

    Exit code 1 when something is wrong.

    Example:  parley db check
    """
    report = check(Settings().resolved_database_url)
    for line in _lines(report):
        print(line)
    if report.problems:
        print("Stop Parley and restore a backup: parley db restore FILE. The damaged file is kept aside.")
        raise typer.Exit(FAILED)


@app.command("backup")
@reported
def make_backup(
    target: Annotated[
        Path | None, typer.Argument(help="File to make; without it, one under backups/ in the data folder.")
    ] = None,
) -> None:
    """Copy the database to one file that `parley db restore` takes. A server may go on writing meanwhile.

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
    file: Annotated[Path, typer.Argument(help="A backup that Parley made.")],
) -> None:
    """Put a backup in the database's place. Stop the server first; the replaced database is kept beside it.

    The backup is read through before anything is touched.

    Example:  parley db restore data/backups/parley-20261124-080000-000000.db
    """
    url = Settings().resolved_database_url
    aside = restore(file, url)
    print(f"Restored: {file}")
    for line in _lines(check(url)):
        print(line)
    if aside is not None:
        print(f"The database that was there before is now {aside}. Delete it when you do not need it any more.")


def _lines(report: Report) -> list[str]:
    lines = [f"{n:>9,} {name}" for name, n in report.counts.items()]
    if report.size_bytes is not None:
        lines.append(f"{report.size_bytes / 1e6:>9,.1f} MB")
    if report.revision is not None:
        state = "" if report.up_to_date else ": from an older version, the next `parley serve` brings it up to date"
        lines.append(f"Tables of revision {report.revision}{state}")
    if report.running:
        lines.append(
            f"{report.running} replies are being written, or were when Parley crashed; its next start marks those."
        )
    return [
        *lines,
        *(f"Problem: {p}" for p in report.problems),
        *([] if report.problems else ["The database is sound."]),
    ]
