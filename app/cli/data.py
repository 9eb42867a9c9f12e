"""``parley data …``: datasets, single files of training data, and all chats."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.chat.transfer.archive import Archive
from app.cli import datasets, imported_files
from app.cli.data_import import import_files
from app.cli.datasets import date_of, left_out
from app.cli.errors import reported
from app.config import Settings
from app.errors import InvalidRequest, StoreError
from app.export.base import Format, find_formats, get_format
from app.feedback.datasets.export_file import manifest_path, write_file, write_rows
from app.feedback.datasets.spec import Filters
from app.store import reading
from app.store.repositories.users import LOCAL_USER
from app.system.disk import replacing
from app.system.private_files import FILE_MODE

app = typer.Typer(
    help="""Turn feedback into datasets for training tools; export all chats; import files of many programs.

    Examples:

        parley data build tea

        parley data build tea-dpo --format trl_pairs --format llama_factory_preference --scrub

        parley data export --list

        parley data export --format trl_unpaired --out thumbs.jsonl

        parley data export-chats --out chats.zip

        parley data import feedback.json

        parley data remove feedback.json
    """,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
datasets.add_to(app)
app.command("import")(import_files)
app.command("imported")(imported_files.imported)
app.command("remove")(imported_files.remove)


@app.command("export")
@reported
def export(
    format_: Annotated[str, typer.Option("--format", help="Export format; --list shows all.")] = "",
    out: Annotated[str, typer.Option(metavar="FILE", help="JSONL file to write; - for standard output.")] = "",
    conversation: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this conversation; can be repeated.")
    ] = None,
    since: Annotated[str, typer.Option(metavar="DATE", help="Only judgements since this day (UTC): 2026-11-24.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the formats and exit.")] = False,
) -> None:
    """Write all rows of one format to one file, with the ids of the messages that each row comes from.

    There are no splits: `parley data build` makes them, so that no test prompt is trained on. FILE.manifest.json lists
    the filters, the counts, what was left out and why, and the SHA-256. The server can keep running meanwhile. Exit
    code 2: an option is wrong.

    Examples:

        parley data export --format trl_unpaired --out thumbs.jsonl

        parley data export --format trl_pairs --out pairs.jsonl --since 2026-11-01

        parley data export --format trl_pairs --out - | wc -l
    """
    if list_:
        for made in find_formats().values():
            print(f"{made.name:25} {made.description}")
        return
    chosen = get_format(_given(format_, "--format", "parley data export --list shows the formats"))
    target = _given(out, "--out", "name a file, or - for standard output")
    filters = Filters(conversations=tuple(conversation or ()), since=date_of("--since", since))
    manifest = _write(chosen, target, filters)
    for line in _summary(manifest, target):
        print(line, file=sys.stderr)


@app.command("export-chats")
@reported
def export_chats(
    out: Annotated[str, typer.Option(metavar="FILE", help="Zip archive to write.")] = "",
) -> None:
    """Write all chats to a zip archive: a JSON file for each, with versions, dates, models and ratings.

    To get them back, drop the archive on the page, or use the import button above the list of chats. The server can
    keep running meanwhile. Exit code 2: an option is wrong.

    Example:  parley data export-chats --out chats.zip
    """
    path = _writable(Path(_given(out, "--out", "name a file, such as chats.zip")))
    archive = Archive()
    try:
        with reading(Settings().resolved_database_url) as store, replacing(path, mode=FILE_MODE) as file:
            for piece in archive.pieces(store, LOCAL_USER):
                file.write(piece)
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}. An existing file is unchanged.") from error
    print(f"{archive.chats} chats: {path} ({path.stat().st_size / 1e6:.1f} MB)")


def _write(chosen: Format, target: str, filters: Filters) -> dict[str, Any]:
    with reading(Settings().resolved_database_url) as store:
        rated = store.feedback.conversations(filters.conversations)
        if target == "-":
            return write_rows(sys.stdout.buffer, chosen, rated, filters)
        return write_file(_writable(Path(target)), chosen, rated, filters)


def _writable(path: Path) -> Path:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InvalidRequest(f"{path} cannot be written. Choose a file in an existing folder.", field="out")
    return path


def _summary(manifest: dict[str, Any], target: str) -> list[str]:
    lines = [f"{manifest['rows']} rows from {manifest['conversations']} conversations.", *left_out(manifest)]
    if target != "-":
        lines.append(f"{target}\n{manifest_path(Path(target))}")
    return lines


def _given(value: str, option: str, advice: str) -> str:
    if not value:
        raise InvalidRequest(f"{option} is missing: {advice}.", field=option)
    return value
