"""Parser of server-sent events: bytes in, events out."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any

HEARTBEAT = "heartbeat"  # ServerEvent.name of a comment line, which says that the server is alive
_EVENT_LIMIT = 64 * 2**20  # bytes per event


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event."""

    id: str | None
    name: str
    data: dict[str, Any] = field(default_factory=dict)


async def parse_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[ServerEvent, None]:
    """Parse server-sent events (WHATWG). Raises :class:`ValueError` when an event is larger than the limit.

    Lines are split at line feeds only: httpx's own splitter also splits at U+2028 and similar characters, which may
    occur in a reply's text.
    """
    buffer = b""
    async for chunk in chunks:
        buffer += chunk
        if len(buffer) > _EVENT_LIMIT:
            raise ValueError("an event of the stream has no end")
        *whole, buffer = buffer.replace(b"\r\n", b"\n").split(b"\n\n")
        for part in whole:
            if event := _event(part):
                yield event


def _event(part: bytes) -> ServerEvent | None:
    event_id, name, data, comment = None, "message", [], False
    for line in part.split(b"\n"):
        key, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if key == b"id":
            event_id = text
        elif key == b"event":
            name = text
        elif key == b"data":
            data.append(text)
        elif not key:
            comment = True
    if data:
        found = json.loads("\n".join(data))
        return ServerEvent(event_id, name, found if isinstance(found, dict) else {})
    return ServerEvent(None, HEARTBEAT) if comment else None
