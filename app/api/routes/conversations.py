"""Routes of conversations: list, search, create, update, delete, restore, subscribe."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

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
    ranking_json,
)
from app.domain.messages import ConversationChanges, SearchHit

router = APIRouter(prefix="/api/conversations", tags=["conversations"])

MAX_LISTED = 200


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


@router.get("/{conversation_id}")
async def get_conversation(user_id: UserId, services: ServicesDep, conversation_id: Id) -> ConversationDetail:
    """Get a conversation with all messages of its tree; running replies contain their text so far."""
    opened = await services.conversations.open(user_id, conversation_id)
    return ConversationDetail(
        **conversation_json(opened.conversation),
        event_id=opened.event_id,
        messages=[message_json(message, opened.ratings.get(message.id)) for message in opened.messages],
        rankings=[ranking_json(ranking) for ranking in opened.rankings],
    )


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
