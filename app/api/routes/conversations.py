"""Routes of conversations: list, search, create, update, delete, restore, subscribe, export, import."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, cast
from urllib.parse import quote

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from app.api import sse
from app.api.deps import ServicesDep, UserId
from app.api.schemas import (
    ConversationCreate,
    ConversationDetail,
    ConversationPublic,
    ConversationUpdate,
    Id,
    Text,
    conversation_json,
    message_json,
)
from app.domain.messages import ConversationChanges, SearchHit

router = APIRouter(prefix="/api/conversations", tags=["conversations"])

MAX_LISTED = 200
MARKDOWN = {"content": {"text/markdown": {"schema": {"type": "string"}}}}


@router.get("")
async def list_conversations(
    user_id: UserId,
    services: ServicesDep,
    q: Annotated[
        Text, Query(max_length=200, description="Search titles and messages; two Chinese characters are enough.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50,
    cursor: Annotated[Text | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """List conversations, pinned ones first, then newest first; with `q` the best matches with a snippet."""
    if q.strip():
        hits = await services.conversations.search(user_id, q, limit)
        items = [{**conversation_json(hit.conversation), "match": _match(hit)} for hit in hits]
        return {"items": items, "next_cursor": None}
    page = await services.conversations.list(user_id, limit=limit, cursor=cursor)
    items = [{**conversation_json(c), "match": None} for c in page.items]
    return {"items": items, "next_cursor": page.next_cursor}


def _match(hit: SearchHit) -> dict[str, Any]:
    return {"message_id": hit.message_id, "snippet": hit.snippet, "ranges": [list(r) for r in hit.ranges]}


@router.post("", status_code=201)
async def create_conversation(user_id: UserId, services: ServicesDep, body: ConversationCreate) -> ConversationPublic:
    """Create an empty conversation."""
    return ConversationPublic.of(await services.conversations.create(user_id, **body.settings()))


@router.post("/import", status_code=201)
async def import_conversation(
    user_id: UserId, services: ServicesDep, body: Annotated[Any, Body()]
) -> ConversationPublic:
    """Import a conversation from JSON: Parley's export, ``{messages}``, ShareGPT, or Open WebUI's export of a chat."""
    return ConversationPublic.of(await services.transfers.load(user_id, body))


@router.get("/{conversation_id}")
async def get_conversation(user_id: UserId, services: ServicesDep, conversation_id: Id) -> ConversationDetail:
    """Get a conversation with all messages of its tree; running replies contain their text so far."""
    opened = await services.conversations.open(user_id, conversation_id)
    messages = [message_json(message, opened.ratings.get(message.id)) for message in opened.messages]
    return ConversationDetail(**conversation_json(opened.conversation), event_id=opened.event_id, messages=messages)


@router.patch("/{conversation_id}")
async def update_conversation(
    user_id: UserId, services: ServicesDep, conversation_id: Id, body: ConversationUpdate
) -> ConversationPublic:
    """Change the title, pin, model, system prompt, sampling or selected leaf of a conversation."""
    return ConversationPublic.of(
        await services.conversations.update(user_id, conversation_id, cast(ConversationChanges, body.changes()))
    )


@router.delete("/{conversation_id}", status_code=204)
async def delete_conversation(user_id: UserId, services: ServicesDep, conversation_id: Id) -> Response:
    """Move a conversation to the trash; it can be restored for ``PARLEY_TRASH_DAYS`` days."""
    await services.conversations.delete(user_id, conversation_id)
    return Response(status_code=204)


@router.post("/{conversation_id}/restore")
async def restore_conversation(user_id: UserId, services: ServicesDep, conversation_id: Id) -> ConversationPublic:
    """Restore a conversation from the trash."""
    return ConversationPublic.of(await services.conversations.restore(user_id, conversation_id))


@router.get("/{conversation_id}/export", response_model=None, responses={200: MARKDOWN})
async def export_conversation(
    user_id: UserId,
    services: ServicesDep,
    conversation_id: Id,
    format: Literal["markdown", "json"] = "markdown",  # noqa: A002 - the query parameter's name
    reasoning: Annotated[bool, Query(description="Markdown: with what the model thought. JSON always has it.")] = False,
) -> Response:
    """Export the selected path as Markdown, or the whole tree as JSON that ``import`` accepts."""
    if format == "json":
        data = await services.transfers.as_json(user_id, conversation_id)
        return JSONResponse(data, headers=_attachment(data["conversation"]["title"], "json"))
    text = await services.transfers.as_markdown(user_id, conversation_id, with_reasoning=reasoning)
    headers = _attachment(text[2:].partition("\n")[0], "md")
    return Response(text, media_type="text/markdown; charset=utf-8", headers=headers)


def _attachment(title: str, extension: str) -> dict[str, str]:
    """The file name of a download (RFC 6266): letters of any script, but no characters that file systems refuse."""
    name = re.sub(r"[^\w\- ]+", "", title).strip()[:60] or "conversation"
    plain = f'attachment; filename="conversation.{extension}"'
    return {"Content-Disposition": f"{plain}; filename*=UTF-8''{quote(name)}.{extension}"}


@router.get("/{conversation_id}/events", response_class=StreamingResponse, responses={200: sse.EVENT_STREAM})
async def subscribe(
    user_id: UserId,
    services: ServicesDep,
    request: Request,
    conversation_id: Id,
    last_event_id: Annotated[str | None, Query(max_length=64)] = None,
    header_id: Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)] = None,
) -> StreamingResponse:
    """Subscribe to all events of a conversation, as server-sent events (see docs/api.md)."""
    events = await services.conversations.subscribe(user_id, conversation_id, header_id or last_event_id)
    return sse.response(sse.encoded(events))
