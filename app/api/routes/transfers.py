"""Routes that move chats: import of files, export of one chat and of all."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from app.api.deps import MemberId, Services, ServicesDep, UserId
from app.api.schemas import Id
from app.api.transfer_schemas import ConversationImported, imported_json
from app.chat.transfer.import_report import ImportReport
from app.domain.titles import file_name
from app.errors import ParleyError, StoreError, StoreFull
from app.system.disk import DISK_FULL

router = APIRouter(prefix="/api/conversations", tags=["conversations"])

IMPORT_PATH = "/api/conversations/import"
LINES = "application/x-ndjson"
PROGRESS_S = 0.25  # between two lines of progress

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_FILE = {"requestBody": {"required": True, "content": {"application/json": {}, "application/zip": _BINARY}}}
_FILE_NAME = Query(max_length=200, description="The file's name, which rows of training data keep.")
_MARKDOWN: dict[str, Any] = {"content": {"text/markdown": {"schema": {"type": "string"}}}}
_ZIP: dict[str, Any] = {"content": {"application/zip": _BINARY}}
_PIECE_BYTES = 1 << 20


@router.post("/import", status_code=201, response_model=ConversationImported, openapi_extra=_FILE)
async def import_conversations(
    user_id: MemberId, services: ServicesDep, request: Request, name: Annotated[str, _FILE_NAME] = ""
) -> Any:
    """Import the chats, judgements and training data in a file: JSON, JSON Lines or a zip archive, of many programs.

    Answers with the newest chat and a report. With ``Accept: application/x-ndjson`` the answer is lines of progress,
    ``{"conversations", "messages", "judgements", "read"}``, and at last ``{"imported": …}`` or ``{"error": …}``.
    """
    file = await _received(request, services)
    if LINES in request.headers.get("accept", ""):
        return StreamingResponse(_progress(services, user_id, file, name), media_type=LINES)
    with file:
        return imported_json(await services.transfers.load(user_id, file, file_name=name))


async def _received(request: Request, services: Services) -> IO[bytes]:
    """The body in a temporary file of the data folder, which has no name."""
    piece = bytearray()
    try:
        file = await asyncio.to_thread(_unnamed, services.settings.data_dir)
        try:
            async for chunk in request.stream():
                piece += chunk
                if len(piece) >= _PIECE_BYTES:
                    await asyncio.to_thread(file.write, bytes(piece))
                    piece.clear()
            await asyncio.to_thread(file.write, bytes(piece))
            await asyncio.to_thread(file.flush)
        except BaseException:
            with suppress(OSError):  # what it could not write
                file.close()
            raise
    except ClientDisconnect as left:
        raise HTTPException(408, "The client disconnected.") from left  # never delivered
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StoreFull("The disk is full: the file could not be received. Free some space.") from error
        raise StoreError(f"The file could not be received: {error.strerror}.") from error
    return file


def _unnamed(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder)


async def _progress(services: Services, user_id: str, file: IO[bytes], name: str) -> AsyncGenerator[bytes, None]:
    """The import as lines. It ends when the client leaves; conversations that are complete stay."""
    told: dict[str, float] = {"conversations": 0, "messages": 0, "judgements": 0, "read": 0.0}

    def on_progress(report: ImportReport) -> None:
        told.update(conversations=report.chats + report.rows, messages=report.messages)
        told.update(judgements=report.ratings + report.rankings, read=round(report.read, 3))

    with file:
        load = asyncio.ensure_future(services.transfers.load(user_id, file, on_progress, file_name=name))
        try:
            yield _line(told)
            while not (await asyncio.wait({load}, timeout=PROGRESS_S))[0]:
                yield _line(told)
            try:
                yield _line({"imported": imported_json(load.result())})
            except ParleyError as error:
                yield _line({"error": error.payload()})
        finally:
            load.cancel()
            await asyncio.wait({load})


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


@router.get("/export", response_class=StreamingResponse, responses={200: _ZIP})
async def export_all(user_id: UserId, services: ServicesDep) -> StreamingResponse:
    """Export all chats as one zip archive that ``import`` accepts."""
    name = f"parley-chats-{datetime.now(UTC):%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(services.transfers.as_archive(user_id), media_type="application/zip", headers=headers)


@router.get("/{conversation_id}/export", response_model=None, responses={200: _MARKDOWN})
async def export_conversation(
    user_id: UserId,
    services: ServicesDep,
    conversation_id: Id,
    format: Literal["markdown", "json"] = "markdown",  # noqa: A002 - the query parameter's name
    reasoning: Annotated[bool, Query(description="Markdown: with what the model thought. JSON always has it.")] = False,
) -> Response:
    """Export the selected path as Markdown, or the whole tree as JSON that ``import`` accepts."""
    if format == "json":
        title, pieces = await services.transfers.as_json(user_id, conversation_id)
        return StreamingResponse(pieces, media_type="application/json", headers=_attachment(title, "json"))
    text = await services.transfers.as_markdown(user_id, conversation_id, with_reasoning=reasoning)
    headers = _attachment(text[2:].partition("\n")[0], "md")
    return Response(text, media_type="text/markdown; charset=utf-8", headers=headers)


def _attachment(title: str, extension: str) -> dict[str, str]:
    """The file name of a download (RFC 6266): letters of any script, but no characters that file systems refuse."""
    name = file_name(title, "conversation")
    plain = f'attachment; filename="conversation.{extension}"'
    return {"Content-Disposition": f"{plain}; filename*=UTF-8''{quote(name)}.{extension}"}
