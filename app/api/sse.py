"""Server-sent events (WHATWG format), and the JSON of conversation events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.schemas import conversation_json, message_json, ranking_json, rating_json
from app.chat import events
from app.chat.resumable_events import EventStream

MEDIA_TYPE = "text/event-stream"
EVENT_STREAM: dict[str, Any] = {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
HEARTBEAT = b": heartbeat\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_json(event: events.Event) -> tuple[str, dict[str, Any]]:
    """Name and data of a conversation event."""
    match event:
        case events.ReplyDelta(message_id, offset, text):
            return "delta", {"message_id": message_id, "offset": offset, "text": text}
        case events.ReasoningDelta(message_id, offset, text):
            return "reasoning", {"message_id": message_id, "offset": offset, "text": text}
        case events.ReasoningEnded(message_id, thinking_ms):
            return "thought", {"message_id": message_id, "thinking_ms": thinking_ms}
        case events.Snapshot(running):
            return "snapshot", {"running": [asdict(reply) for reply in running]}
        case events.Reset():
            return "reset", {}
        case events.MessageAdded(message):
            return "message", {"message": message_json(message)}
        case events.ReplyQueued(message_id, position):
            return "queued", {"message_id": message_id, "position": position}
        case events.ReplyReading(message_id, read_tokens, prompt_tokens):
            return "reading", {"message_id": message_id, "read_tokens": read_tokens, "prompt_tokens": prompt_tokens}
        case events.ReplyStarted(message_id, dropped_turns):
            return "started", {"message_id": message_id, "dropped_turns": dropped_turns}
        case events.ReplyFinished(message):
            return "finished", {"message_id": message.id, "message": message_json(message)}
        case events.ReplyFailed(message, error):
            return "error", {"message_id": message.id, "error": error.payload(), "message": message_json(message)}
        case events.MessageRated(rating):
            return "rated", {"message_id": rating.message_id, "rating": rating_json(rating)}
        case events.RepliesRanked(ranking):
            return "ranked", {"ranking": ranking_json(ranking)}
        case events.ConversationUpdated(conversation):
            return "updated", {"conversation": conversation_json(conversation)}
        case events.ConversationDeleted():
            return "deleted", {}


def encode(name: str, data: object, event_id: str | None = None) -> bytes:
    """One event in the SSE format."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


async def encoded(stream: EventStream) -> AsyncIterator[bytes]:
    """The events and heartbeats of a subscription in the SSE format."""
    try:
        async for event_id, event in stream:
            yield HEARTBEAT if event is None else encode(*event_json(event), event_id)
    finally:
        await stream.aclose()


class OwningStream(StreamingResponse):
    """An event stream that releases its resources however it ends, even if it was never started."""

    def __init__(self, body: AsyncIterator[bytes], resources: AsyncExitStack) -> None:
        super().__init__(body, media_type=MEDIA_TYPE, headers=_HEADERS)
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        async with self._resources:
            await super().__call__(scope, receive, send)


def response(body: AsyncIterator[bytes], status_code: int = 200) -> StreamingResponse:
    """A response with an event stream, which proxies neither buffer nor cache."""
    return StreamingResponse(body, status_code=status_code, media_type=MEDIA_TYPE, headers=_HEADERS)
