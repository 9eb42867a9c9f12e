"""``parley data import``: chats, judgements and training data from files, through a running server or without one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from app.api.transfer_schemas import imported_json
from app.chat.transfer.transfers import Transfers
from app.cli.errors import FAILED, exit_code, reported
from app.cli.progress_bar import plain_console
from app.cli.running_server import client_for, problem_at
from app.config import Settings
from app.errors import BodyTooLarge, InvalidRequest, NotSignedIn, ParleyError, error_of
from app.store import Store
from app.store.repositories.users import LOCAL_USER
from frontends.client import ApiError, ParleyClient

_PIECE_BYTES = 1 << 20

Report = Mapping[str, Any]  # as in the API
Show = Callable[[float], None]  # how much of the file has been read, from 0 to 1
Import = Callable[[Path, Show], Awaitable[Report]]


@reported
def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="JSON, JSON Lines or zip files.")],
    url: Annotated[str, typer.Option(help="A running Parley, e.g. http://127.0.0.1:7860.")] = "",
) -> None:
    """Import chats, judgements and rows of training data, of Parley and other programs.

    A running server imports them; if there is none, this command does. What was imported before is not imported again.
    Exit code 1: a file could not be imported, or not all of it stored. 2: an option or a file is wrong.

    Examples:

        parley data import feedback.json chats.json

        parley data import hh-train.jsonl 2023-05-01-conv.json

        parley data import ~/Downloads/parley-chats.zip --url http://127.0.0.1:7860
    """
    for file in files:
        if not file.is_file():
            raise InvalidRequest(f"There is no file {file}.", field="files")
    codes = asyncio.run(_import_all(files, Settings(), url))
    if any(codes):
        raise typer.Exit(max(codes))


async def _import_all(files: list[Path], settings: Settings, url: str) -> list[int]:
    """The exit codes of the files, one after the other."""
    codes = []
    async with _way_in(settings, url) as import_:
        for file in files:
            try:
                if file.stat().st_size > settings.max_import_bytes:
                    raise BodyTooLarge(
                        f"It is larger than {settings.max_import_bytes >> 20} MiB. Set PARLEY_MAX_IMPORT_BYTES, "
                        "or import it in parts."
                    )
                report = await _shown(file, import_)
            except (ParleyError, OSError) as error:
                print(f"{file.name}: {getattr(error, 'message', error)}", file=sys.stderr)
                codes.append(exit_code(error) if isinstance(error, ParleyError) else FAILED)
                continue
            for line in _lines(report):
                print(f"{file.name}: {line}")
            codes.append(FAILED if report["stopped"] else 0)
    return codes


@asynccontextmanager
async def _way_in(settings: Settings, url: str) -> AsyncIterator[Import]:
    """Imports through the server at `url`, else through one at the configured address, else into the database."""
    at = url or f"http://{settings.host}:{settings.port}"
    problem = await problem_at(at, settings.api_key)
    if problem is None:
        client = client_for(at, settings.api_key)
        try:
            yield lambda file, show: _upload(client, file, show)
        finally:
            await client.aclose()
        return
    if url or isinstance(problem, NotSignedIn):
        raise problem
    try:
        store = Store.open(settings.resolved_database_url, settings.data_dir, trash_days=settings.trash_days)
    except ParleyError as error:
        error.message += " Is a server running at another address? Then name it with --url."
        raise
    try:
        transfers = Transfers(store, settings.max_import_bytes)
        yield lambda file, show: _store(transfers, file, show)
    finally:
        await store.close()


async def _upload(client: ParleyClient, path: Path, show: Show) -> Report:
    async def pieces() -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                yield piece

    try:
        imported = await client.import_file(pieces(), name=path.name, on_progress=lambda told: show(told["read"]))
    except ApiError as error:
        raise error_of(error.code, error.message, error.details) from error
    report: Report = imported["report"]
    return report


async def _store(transfers: Transfers, path: Path, show: Show) -> Report:
    with path.open("rb") as file:
        report = await transfers.load(LOCAL_USER, file, lambda told: show(told.read), file_name=path.name)
    told: Report = imported_json(report)["report"]
    return told


async def _shown(file: Path, import_: Import) -> Report:
    """Import a file with a bar on a terminal."""
    console = plain_console()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(file.name, total=1.0)
        return await import_(file, lambda share: progress.update(task, completed=share))


def _lines(report: Report) -> Iterator[str]:
    """What came of it."""
    taken = [f"{report[name]:,} {name}" for name in ("chats", "rows", "messages", "ratings", "rankings")]
    yield ", ".join(taken) + (f"; {report['known']:,} were there already" if report["known"] else "")
    for what, name in (("left out", "left_out"), ("changed", "changed"), ("skipped", "skipped")):
        for reason, count in report[name].items():
            yield f"  {what}, {reason}: {count:,}"
    for item in report["skipped_items"]:
        place = " ".join(text for text in (item["name"], item["title"]) if text)
        yield f"  skipped: {place or 'without a title'} ({item['reason']})"
    if report["stopped"]:
        yield f"  the rest could not be stored: {report['stopped']['error']['message']}"
