"""``parley data build|list|show|delete``: datasets, beside a running server, too."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from app.cli.errors import reported
from app.cli.tables import print_table
from app.config import Settings
from app.domain.splits import Shares
from app.domain.training_rows import RowKind
from app.errors import InvalidRequest
from app.feedback.datasets.service import ShownDataset, shown
from app.feedback.datasets.shelf import Shelf
from app.feedback.datasets.spec import DEFAULT_FORMATS, DatasetSpec, Filters
from app.store import reading
from app.store.repositories.users import LOCAL_USER

_NAME = typer.Argument(metavar="NAME", help="Name of the dataset.")
_SPLITS = ("train", "validation", "test")
_PAUSE_S = 2.0  # between two lines of progress


def _many(option: str, help_: str, metavar: str = "NAME") -> Any:
    return typer.Option(option, metavar=metavar, help=f"{help_} Can be repeated.")


@reported
def build(
    name: Annotated[str, _NAME],
    format_: Annotated[list[str] | None, _many("--format", "Format; `parley data export --list` shows all.")] = None,
    kind: Annotated[
        list[RowKind] | None, _many("--kind", "Only rows of this kind.", "label|pair|ranking|demonstration")
    ] = None,
    model: Annotated[list[str] | None, _many("--model", "Only rows in which this model wrote a reply.", "ID")] = None,
    adapter: Annotated[list[str] | None, _many("--adapter", "Only rows in which this adapter was applied.")] = None,
    rater: Annotated[list[str] | None, _many("--rater", "Only judgements of this person.", "ID")] = None,
    source: Annotated[
        list[str] | None, _many("--source", "Only from ratings, correction, side_by_side, ranking, …", "SOURCE")
    ] = None,
    reason: Annotated[list[str] | None, _many("--reason", "Only rows for which this reason was given.")] = None,
    language: Annotated[
        list[str] | None, _many("--language", "Only questions in this language: zh, en, …", "CODE")
    ] = None,
    conversation: Annotated[list[str] | None, _many("--conversation", "Only this conversation.", "ID")] = None,
    since: Annotated[str, typer.Option(metavar="DATE", help="Only judgements since this day (UTC): 2026-11-24.")] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="Only judgements before this day (UTC).")] = "",
    accepted: Annotated[bool, typer.Option("--accepted", help="Only judgements accepted in a review.")] = False,
    min_score: Annotated[
        int | None, typer.Option(metavar="N", help="Preferred replies need this score, from 1 to 10.")
    ] = None,
    validation_share: Annotated[float, typer.Option(help="Share of conversations for validation.")] = 0.05,
    test_share: Annotated[float, typer.Option(help="Share of conversations for testing.")] = 0.1,
    scrub: Annotated[bool, typer.Option("--scrub", help="Replace e-mail addresses, phone numbers, keys, …")] = False,
    reasoning: Annotated[bool, typer.Option("--reasoning", help="With what models thought, in extra columns.")] = False,
) -> None:
    """Build a dataset: a folder with files for training tools, split into train, validation and test.

    It is in `datasets/NAME` of the data folder, with a manifest and a dataset card, ready to be pushed to a hub. The
    same feedback gives the same files. Without --format: TRL's pairs, thumbs, conversations and prompts. The server can
    keep running meanwhile. Exit code 2: an option is wrong, or the name is taken.

    Examples:

        parley data build tea

        parley data build tea-zh --language zh --since 2026-11-01 --scrub

        parley data build for-llama-factory --format llama_factory_sft --format llama_factory_preference
    """
    filters = Filters(
        conversations=tuple(conversation or ()),
        raters=tuple(rater or ()),
        since=date_of("--since", since),
        until=date_of("--until", until),
        accepted_only=accepted,
        models=tuple(model or ()),
        adapters=tuple(adapter or ()),
        sources=tuple(source or ()),
        reasons=tuple(reason or ()),
        languages=tuple(language or ()),
        min_score=min_score,
        kinds=tuple(kind or ()),
    )
    shares = Shares(validation_share, test_share)
    spec = DatasetSpec(name, tuple(format_ or DEFAULT_FORMATS), filters, shares, scrub, reasoning)
    shelf = _shelf()
    made = shelf.build(LOCAL_USER, spec, _Progress().show, lambda: None)
    for line in _summary(ShownDataset(made, {}), shelf.folder(made)):
        print(line)


@reported
def list_datasets() -> None:
    """List the datasets, newest first. *stale*: one that contains what was deleted or withdrawn since.

    Example:  parley data list
    """
    shelf, settings = _shelf(), Settings()
    with reading(settings.resolved_database_url) as r:
        found = [shown(r, shelf, dataset) for dataset in r.datasets.all(LOCAL_USER)]
    if not found:
        print("There are no datasets. `parley data build NAME` builds one.")
        return
    table = Table("name", "built", "rows", "formats", "state", box=None, pad_edge=False)
    for each in found:
        manifest = each.dataset.manifest
        rows = sum(file.get("rows", 0) for file in manifest["files"])
        state = "stale" if each.stale else "up to date"
        built = f"{each.dataset.created_at:%Y-%m-%d %H:%M}"
        table.add_row(each.dataset.name, built, str(rows), ", ".join(manifest["formats"]), state)
    print_table(table)


@reported
def show(name: Annotated[str, _NAME]) -> None:
    """Show what a dataset contains, what was left out, and whether it is stale.

    Example:  parley data show tea
    """
    shelf = _shelf()
    with reading(Settings().resolved_database_url) as r:
        found = shown(r, shelf, r.datasets.get(LOCAL_USER, name))
    for line in _summary(found, shelf.folder(found.dataset)):
        print(line)


@reported
def delete(name: Annotated[str, _NAME]) -> None:
    """Delete a dataset with its files. The feedback stays.

    Example:  parley data delete tea
    """
    _shelf().delete(LOCAL_USER, name)
    print(f"Deleted: {name}")


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``parley data``."""
    for name, command in (("build", build), ("list", list_datasets), ("show", show), ("delete", delete)):
        app.command(name)(command)


def date_of(option: str, text: str) -> datetime | None:
    """A day or time, UTC unless it says otherwise; ``None`` for "". Raises :class:`InvalidRequest`."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{option} {text} is not a date. Write it like 2026-11-24.", field=option) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)


def left_out(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Lines about what was left out and why."""
    for kind, drops in manifest["dropped"].items():
        for reason, n in drops.items():
            yield f"  left out, {kind}, {reason}: {n}"
    for name, n in manifest["filtered_judgements"].items():
        yield f"  left out, judgements by {name}: {n}"
    for name, n in manifest["filtered_rows"].items():
        yield f"  left out, rows by {name}: {n}"
    for name, n in manifest["unrepresentable"].items():
        yield f"  left out, {name} can't express them: {n}"


def _shelf() -> Shelf:
    settings = Settings()
    return Shelf(settings.data_dir, settings.resolved_database_url)


def _summary(found: ShownDataset, folder: Path) -> Iterator[str]:
    manifest = found.dataset.manifest
    yield f"{found.dataset.name}: {manifest['judgements']} judgements in {manifest['conversations']} conversations"
    yield "  " + ", ".join(f"{n} {kind}s" for kind, n in manifest["rows"].items())
    for format_name in manifest["formats"]:
        files = {file["split"]: file["rows"] for file in manifest["files"] if file.get("format") == format_name}
        yield f"  {format_name:25} " + "  ".join(f"{split} {files.get(split, 0)}" for split in _SPLITS)
    for kind, n in manifest["personal_data"].items():
        yield f"  replaced, {kind}: {n}"
    yield from left_out(manifest)
    for reason, n in found.stale.items():
        yield f"stale, {reason}: {n}"
    if found.stale:
        yield "Delete it and build it again, so that it contains only what may be used."
    yield str(folder)


class _Progress:
    """Lines on standard error, at the start of a phase and every two seconds."""

    def __init__(self) -> None:
        self._phase, self._next_s = "", 0.0

    def show(self, phase: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if phase == self._phase and now < self._next_s:
            return
        self._phase, self._next_s = phase, now + _PAUSE_S
        print(f"{phase}: {done} of {total}" if total else phase, file=sys.stderr, flush=True)
