"""Forwards a conversation's events from the API to one browser, with HTML in place of text.

A reader receives events from the API, a writer sends them to the browser. Between them are a short queue and, for each
running reply, the texts that were not sent yet. Deltas are not queued: while the browser is slow they only make those
texts longer, and they are sent when the socket accepts data again. When the queue is full the reader waits, so that the
API sees a slow subscriber. Reasoning is sent as it is, without HTML, in ``reasoning`` events.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator

from frontends.client import ApiError, Json
from frontends.server_events import HEARTBEAT, ServerEvent
from frontends.view.rendered_replies import RenderedReplies, RenderedReply
from frontends.view.renderings import Renderings

QUEUE_LIMIT = 256  # events


class WatchedReply:
    """A running reply and what of it this browser was sent."""

    def __init__(self, reply: RenderedReply) -> None:
        self.reply = reply
        self.event_id: str | None = None  # of the last delta received
        self.version = 0  # of the last rendering sent
        self._sent_length = 0
        self._thoughts = ""  # reasoning that was not sent
        self._thoughts_sent = 0  # code points of it that were
        self._thinking_ms: int | None = None
        self._has_thoughts = False

    @property
    def is_behind(self) -> bool:
        """Whether there is text that was not sent."""
        return self.reply.length > self._sent_length

    @property
    def has_thoughts(self) -> bool:
        """Whether there is news of its reasoning that was not sent."""
        return self._has_thoughts

    def know_thoughts(self, reasoning: str) -> None:
        """The browser gets the beginning `reasoning` otherwise."""
        self._thoughts, self._thoughts_sent, self._has_thoughts = "", len(reasoning), False

    def think(self, offset: int, text: str) -> None:
        """Add the part of a piece of reasoning that is new."""
        known = self._thoughts_sent + len(self._thoughts)
        if new := text[max(0, known - offset) :]:
            self._thoughts += new
            self._has_thoughts = True

    def end_thoughts(self, thinking_ms: int) -> None:
        """The reasoning has ended after this time."""
        self._thinking_ms, self._has_thoughts = thinking_ms, True

    def thoughts(self) -> Json:
        """The reasoning that was not sent, as data of a ``reasoning`` event."""
        found = {"offset": self._thoughts_sent, "text": self._thoughts, "thinking_ms": self._thinking_ms}
        self._thoughts_sent += len(self._thoughts)
        self._thoughts, self._has_thoughts = "", False
        return found

    @property
    def due(self) -> float:
        """time.monotonic() when to send it; what was rendered for another browser, at once."""
        return 0.0 if self.reply.version > self.version else self.reply.due

    async def rendered(self, *, final: bool = False) -> Json:
        """The blocks that changed since the last time, as data of a ``render`` event."""
        if final or self.reply.version == self.version:
            await self.reply.render(final=final)
        blocks = self.reply.blocks(self.version)
        self.version, self._sent_length = self.reply.version, self.reply.rendered_length
        return {"blocks": blocks, "text_length": self._sent_length}


class Relay:
    """Forwards the events of one conversation to one browser."""

    def __init__(self, renderings: Renderings, running: RenderedReplies) -> None:
        self._renderings = renderings
        self._running = running
        self._queue: deque[tuple[ServerEvent, WatchedReply | None]] = deque()  # with the reply that it ends
        self._replies: dict[str, WatchedReply] = {}
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
                event, ended = self._queue[0]
                chunks = await self._encoded(event, ended)
                self._queue.popleft()
                self._shorter.set()
                if ended is not None:
                    self._running.leave(event.data["message_id"], ended.reply)
                for chunk in chunks:
                    yield chunk
            for thinking_id, thinking in [*self._replies.items()]:
                if thinking.has_thoughts:
                    yield _encode(thinking.event_id, "reasoning", {"message_id": thinking_id, **thinking.thoughts()})
            waiting = {key: reply for key, reply in self._replies.items() if reply.is_behind}
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
        data, ended = event.data, None
        match event.name:
            case "delta":
                # After a resume, running replies are sent from their beginning, without a message or snapshot before.
                watched = self._watch(data["message_id"], data["text"], data["offset"])
                watched.event_id = event.id
                return
            case "reasoning":
                watched = self._watch(data["message_id"])
                watched.think(data["offset"], data["text"])
                watched.event_id = event.id
                return
            case "thought":
                self._watch(data["message_id"]).end_thoughts(data["thinking_ms"])
                return
            case "snapshot":
                for running in data["running"]:
                    self._watch(running["message_id"], running["text"]).know_thoughts(running["reasoning"])
            case "message" if data["message"]["state"] == "pending":
                added = data["message"]
                self._watch(added["id"], added["content"]).know_thoughts(added["reasoning"])
            case "finished" | "error":
                ended = self._replies.pop(data["message_id"], None)
                if ended is not None:
                    self._running.end(data["message_id"], ended.reply)
            case _ if event.name == HEARTBEAT and self._queue:
                return
        self._queue.append((event, ended))

    async def _encoded(self, event: ServerEvent, ended: WatchedReply | None) -> list[bytes]:
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
                if ended is not None:
                    last = {"message_id": data["message_id"], **await ended.rendered(final=True)}
                    chunks.append(_encode(ended.event_id, "render", last))
                data = {**data, "message": await self._renderings.with_html(data["message"])}
        return [*chunks, _encode(event.id, event.name, data)]

    async def _rendered(self, message_id: str) -> Json:
        watched = self._replies.get(message_id)
        return await watched.rendered() if watched else {"blocks": [], "text_length": 0}

    async def _render(self, message_id: str, watched: WatchedReply) -> bytes:
        event_id = watched.event_id
        return _encode(event_id, "render", {"message_id": message_id, **await watched.rendered()})

    def _watch(self, message_id: str, text: str = "", offset: int = 0) -> WatchedReply:
        """The running reply, with this text of it."""
        if message_id not in self._replies:
            self._replies[message_id] = WatchedReply(self._running.watch(message_id))
        watched = self._replies[message_id]
        watched.reply.add(offset, text)
        return watched

    def close(self) -> None:
        """Watch no reply any more."""
        ending = [(event.data["message_id"], ended) for event, ended in self._queue if ended is not None]
        for message_id, watched in (*self._replies.items(), *ending):
            self._running.leave(message_id, watched.reply)
        self._replies.clear()
        self._queue.clear()


def _encode(event_id: str | None, name: str, data: Json) -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")
