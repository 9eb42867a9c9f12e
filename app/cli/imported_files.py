"""``parley data imported|remove``: imported files of training data, beside a running server, too."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from app.cli.errors import reported
from app.cli.tables import print_table
from app.config import Settings
from app.errors import ImportedFileNotFound
from app.store import changing, reading
from app.store.repositories.users import LOCAL_USER


@reported
def imported() -> None:
    """List the files of training data that were imported, with the number of their rows. Chats are not among them.

    Example:  parley data imported
    """
    with reading(Settings().resolved_database_url) as r:
        files = r.imports.files(LOCAL_USER)
    if not files:
        print("No rows of training data have been imported. `parley data import FILE` imports some.")
        return
    table = Table("file", "rows", box=None, pad_edge=False)
    for file in files:
        table.add_row(file.name, f"{file.rows:,}")
    print_table(table)


@reported
def remove(name: Annotated[str, typer.Argument(metavar="FILE", help="Name of the file, as listed.")]) -> None:
    """Remove all rows of an imported file for good, with all judgements of them.

    `parley data imported` lists the files; those of the same name are one. Datasets that hold such rows become stale.
    Exit code 2: no rows of such a file are stored.

    Example:  parley data remove hh-train.jsonl
    """
    url, removed, some = Settings().resolved_database_url, 0, 1
    while some:
        with changing(url) as r:
            some = r.imports.remove_some(LOCAL_USER, name)
        removed += some
    if not removed:
        raise ImportedFileNotFound(f"No rows of {name} are stored. `parley data imported` lists the files.", name=name)
    print(f"Removed: {removed:,} rows of {name}")
