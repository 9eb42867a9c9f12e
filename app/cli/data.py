"""``parley data …``: export ratings as training data, and all chats."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.chat.transfer.archive import Archive
from app.cli.errors import reported
from app.config import Settings
from app.errors import InvalidRequest, StoreError
from app.export.base import Format, find_formats, get_format
from app.export.files import Filters, manifest_path, write_file, write_rows
from app.store import reading
from app.store.repositories.users import LOCAL_USER
from app.system.disk import replacing
from app.system.private_files import FILE_MODE

app = typer.Typer(
    help="""Export ratings as data for training tools, or all chats.

    Examples:

        parley data export --list

        parley data export --format trl_unpaired --out thumbs.jsonl

        parley data export --format trl_pairs --out test.jsonl --split test --test-share 0.1

        parley data export-chats --out chats.zip
    """,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command("export")
@reported
def export(
    format_: Annotated[str, typer.Option("--format", help="Export format; --list shows all.")] = "",
    out: Annotated[str, typer.Option(metavar="FILE", help="JSONL file to write; - for standard output.")] = "",
    conversation: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this conversation; can be repeated.")
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="DATE", help="Only conversations rated since this day (UTC): 2026-11-24.")
    ] = "",
    split: Annotated[str, typer.Option(metavar="train|test", help="Only the training or the test conversations.")] = "",
    test_share: Annotated[float, typer.Option(help="Share of conversations in the test split.")] = 0.1,
    list_: Annotated[bool, typer.Option("--list", help="List the formats and exit.")] = False,
) -> None:
    """Write rated replies as JSON Lines, with the ids of the messages that each row comes from.

    FILE.manifest.json lists the filters, the counts, what was left out and why, and the SHA-256. The server can keep
    running meanwhile. Exit code 2: an option is wrong.

    Examples:

        parley data export --format trl_unpaired --out thumbs.jsonl

        parley data export --format trl_pairs --out pairs.jsonl --since 2026-11-01

        parley data export --format trl_pairs --out - | wc -l
    """
    if list_:
        for made in find_formats().values():
            print(f"{made.name:14} {made.description}")
        return
    chosen = get_format(_given(format_, "--format", "parley data export --list shows the formats"))
    target = _given(out, "--out", "name a file, or - for standard output")
    filters = Filters(tuple(conversation or ()), _date(since), _side(split), _share(test_share))
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
        rated = store.feedback.conversations(filters.conversation_ids)
        if target == "-":
            return write_rows(sys.stdout.buffer, chosen, rated, filters)
        return write_file(_writable(Path(target)), chosen, rated, filters)


def _writable(path: Path) -> Path:
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InvalidRequest(f"{path} cannot be written. Choose a file in an existing folder.", field="out")
    return path


def _summary(manifest: dict[str, Any], target: str) -> list[str]:
    rows, rated, conversations = manifest["rows"], manifest["rated_messages"], manifest["conversations"]
    lines = [f"{rows} rows from {rated} rated replies in {conversations} conversations."]
    lines += [f"  left out, {reason}: {n}" for reason, n in manifest["dropped"].items()]
    if target != "-":
        lines.append(f"{target}\n{manifest_path(Path(target))}")
    return lines


def _given(value: str, option: str, advice: str) -> str:
    if not value:
        raise InvalidRequest(f"{option} is missing: {advice}.", field=option)
    return value


def _date(text: str) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"--since {text} is not a date. Write it like 2026-11-24.", field="since") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _side(text: str) -> str | None:
    if text not in ("", "train", "test"):
        raise InvalidRequest(f"--split must be train or test, not {text}.", field="split")
    return text or None


def _share(value: float) -> float:
    if not 0 < value < 1:
        raise InvalidRequest("--test-share must be between 0 and 1.", field="test_share")
    return value
