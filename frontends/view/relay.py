"""Forwards a conversation's events from the API to one browser, with HTML in place of text.

A reader receives events from the API, a writer sends them to the browser. Between them are a short queue and, for each
running reply, the text that is not rendered yet. Deltas are not queued: while the browser is slow they only make that
text longer, and it is rendered when the socket accepts data again. When the queue is full the reader waits, so that the
API sees a slow subscriber.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator

from anyio import to_thread

from frontends.client import ApiError, Json
from frontends.render import Block, StreamRenderer
from frontends.server_events import HEARTBEAT, ServerEvent
from frontends.view.renderings import Renderings

INTERVAL_S = 0.1  # at least, between two renderings of one reply
COST_SHARE = 0.05  # of one core, at most, for the renderings of one reply
HTML_PER_S = 400_000  # characters at most for sending open blocks repeatedly
QUEUE_LIMIT = 256  # events
INLINE_LIMIT = 800  # characters rendered on the event loop (under 2 ms); longer texts go to a thread


class StreamedReply:
    """A running reply: its rendered blocks, its new text, and when to render next."""

    def __init__(self, renderings: Renderings, text: str) -> None:
        self._stream = StreamRenderer(renderings.renderer)
        self._new = [text]
        self.length = len(text)  # code points received
        self.event_id: str | None = None  # of the last delta received
        self.dirty = bool(text)
        self.due = 0.0  # time.monotonic() before which it isn't rendered again

    def add(self, offset: int, text: str, event_id: str | None) -> None:
        """Append the part of a delta that is new."""
        self.event_id = event_id
        if new := text[max(0, self.length - offset) :]:
            self._new.append(new)
            self.length += len(new)
            self.dirty = True

    async def render(self, *, final: bool = False) -> Json:
        """Render the new text; the changed blocks, as data of a ``render`` event."""
        blocks = await self._update(final=final)
        return {"blocks": _as_json(blocks), "text_length": self._stream.length}

    async def render_all(self) -> Json:
        """Render the new text; all blocks, as data of a ``render`` event."""
        await self._update(final=False)
        return {"blocks": _as_json(self._stream.blocks()), "text_length": self._stream.length}

    async def _update(self, *, final: bool) -> list[Block]:
        # Text that arrives while a thread renders waits in _new: the stream renderer is not thread-safe.
        self._stream.append("".join(self._new))
        self._new.clear()
        self.dirty = False
        start = time.monotonic()
        if self._stream.tail_length <= INLINE_LIMIT:
            blocks = self._stream.update(final=final)
        else:
            blocks = await to_thread.run_sync(lambda: self._stream.update(final=final))
        end = time.monotonic()
        self.due = end + max(INTERVAL_S, (end - start) / COST_SHARE, self._stream.html_length / HTML_PER_S)
        return blocks


class Relay:
    """Forwards the events of one conversation to one browser."""

    def __init__(self, renderings: Renderings) -> None:
        self._renderings = renderings
        self._queue: deque[ServerEvent] = deque()
        self._replies: dict[str, StreamedReply] = {}
        self._ended = False
        self._wake = asyncio.Event()  # the writer has work
        self._shorter = asyncio.Event()  # the queue got shorter

    async def read(self, events: AsyncIterator[ServerEvent]) -> None:
        """Receive events until the stream ends or fails."""
        try:
            async for event in events:
                while len(self._queue) >= QUEUE_LIMIT:
                    self._shorter.clear()
                    await self._shorter.wait()
                self._take(event)
                self._wake.set()
        except ApiError:
            pass  # the browser connects again and then gets the error
        finally:
            self._ended = True
            self._wake.set()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """The bytes of the browser's event stream."""
        yield b"retry: 1000\n\n"
        while True:
            while self._queue:
                event = self._queue.popleft()
                self._shorter.set()
                for chunk in await self._encoded(event):
                    yield chunk
            waiting = {key: reply for key, reply in self._replies.items() if reply.dirty}
            message_id = min(waiting, key=lambda key: waiting[key].due, default=None)
            wait_s = None if message_id is None else waiting[message_id].due - time.monotonic()
            if message_id is not None and wait_s is not None and wait_s <= 0:
                yield await self._render(message_id, waiting[message_id])
            elif self._ended:
                return
            else:
                await self._sleep(wait_s)

    async def _sleep(self, seconds: float | None) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _take(self, event: ServerEvent) -> None:
        """Update the running replies; queue everything but deltas."""
        data = event.data
        match event.name:
            case "delta":
                # After a resume, running replies are sent from their beginning, without a message or snapshot before.
                reply = self._replies.setdefault(data["message_id"], StreamedReply(self._renderings, ""))
                reply.add(data["offset"], data["text"], event.id)
                return
            case "snapshot":
                running = {r["message_id"]: r["text"] for r in data["running"]}
                self._replies |= {key: StreamedReply(self._renderings, text) for key, text in running.items()}
            case "message" if data["message"]["state"] == "pending":
                message = data["message"]
                self._replies[message["id"]] = StreamedReply(self._renderings, message["content"])
            case _ if event.name == HEARTBEAT and self._queue:
                return
        self._queue.append(event)

    async def _encoded(self, event: ServerEvent) -> list[bytes]:
        """The event with HTML added; before the end of a reply, a ``render`` event with the rest of its text."""
        data, chunks = event.data, []
        match event.name:
            case _ if event.name == HEARTBEAT:
                return [b": heartbeat\n\n"]
            case "snapshot":
                running = [{**r, **await self._rendered(r["message_id"])} for r in data["running"]]
                data = {**data, "running": running}
            case "message":
                data = {**data, "message": await self._renderings.with_html(data["message"])}
            case "finished" | "error":
                reply = self._replies.pop(data["message_id"], None)
                if reply is not None:
                    last = {"message_id": data["message_id"], **await reply.render(final=True)}
                    chunks.append(_encode(reply.event_id, "render", last))
                data = {**data, "message": await self._renderings.with_html(data["message"])}
        return [*chunks, _encode(event.id, event.name, data)]

    async def _rendered(self, message_id: str) -> Json:
        reply = self._replies.get(message_id)
        return await reply.render_all() if reply else {"blocks": [], "text_length": 0}

    async def _render(self, message_id: str, reply: StreamedReply) -> bytes:
        event_id = reply.event_id
        return _encode(event_id, "render", {"message_id": message_id, **await reply.render()})


def _as_json(blocks: list[Block]) -> list[Json]:
    return [{"index": b.index, "html": b.html, "closed": b.closed} for b in blocks]


def _encode(event_id: str | None, name: str, data: Json) -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")
