"""One conversation's channel: whoever watches it is told everything, in order, at their own pace.

Nothing is queued per watcher. What happened is a short log; what is being written is one growing text
per running reply. A watcher is a pair of cursors into these, so a slow one gets fewer, longer deltas
and costs no memory, and no delta can be lost, doubled or reordered.

Resuming: a watcher that names the last event it saw is told the logged events after it, then a snapshot of
the replies that it knew and that still run; those it has not heard of are told from their beginning.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Collection, Iterator

from app.chat.events import (
    Event,
    MessageAdded,
    ReplyDelta,
    ReplyFailed,
    ReplyFinished,
    ReplyQueued,
    ReplyStarted,
    Reset,
    RunningState,
    Snapshot,
    StoredEvent,
)

Told = tuple[str, Event | None]  # an event and the id to resume after it

LOG_LENGTH = 512
MIN_INTERVAL_S = 1 / 30  # between two rounds of deltas to one watcher


class RunningReply:
    """A reply's text while it grows, and where it stands in the queue."""

    def __init__(self, message_id: str, prefill: str = "") -> None:
        self.message_id = message_id
        self.pieces: list[str] = [prefill] if prefill else []
        self.length = len(prefill)
        self.prefill_length = len(prefill)  # its message is announced with this much text
        self.position: int | None = None
        self.started = False
        self.dropped_turns = 0

    def append(self, text: str) -> None:
        """Add new text."""
        self.pieces.append(text)
        self.length += len(text)

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self.pieces)


class _Reader:
    """A watcher's cursor into one running reply: at its end, or at its beginning."""

    def __init__(self, reply: RunningReply, *, at_start: bool) -> None:
        self.reply = reply
        self.piece = (1 if reply.prefill_length else 0) if at_start else len(reply.pieces)
        self.offset = reply.prefill_length if at_start else reply.length
        self.position = None if at_start else reply.position
        self.started = reply.started and not at_start

    def news(self) -> Iterator[Event]:
        reply = self.reply
        if reply.position is not None and reply.position != self.position:
            yield ReplyQueued(reply.message_id, reply.position)
        self.position = reply.position
        if reply.started and not self.started:
            self.started = True
            yield ReplyStarted(reply.message_id, reply.dropped_turns)
        if self.piece < len(reply.pieces):
            text = "".join(reply.pieces[self.piece :])
            self.piece = len(reply.pieces)
            offset, self.offset = self.offset, self.offset + len(text)
            yield ReplyDelta(reply.message_id, offset, text)


class Channel:
    """The log, the running replies and the watchers of one conversation."""

    def __init__(self) -> None:
        self.closed = False
        self.epoch = secrets.token_hex(4)
        self.watchers = 0
        self.touched = time.monotonic()
        self._seq = 0
        self._log: deque[tuple[int, StoredEvent, RunningReply | None]] = deque(maxlen=LOG_LENGTH)
        self._running: dict[str, RunningReply] = {}
        self._changed = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether nobody watches and nothing runs."""
        return not self.watchers and not self._running

    @property
    def event_id(self) -> str:
        """The place after everything that has happened so far."""
        return f"{self.epoch}-{self._seq}"

    def running(self, message_id: str) -> RunningReply | None:
        """The running reply with this id."""
        return self._running.get(message_id)

    def start(self, reply: RunningReply) -> None:
        """Announce a running reply. Publish its ``MessageAdded`` first."""
        self._running[reply.message_id] = reply
        self.notify()

    def publish(self, event: StoredEvent) -> None:
        """Log an event. The end of a reply also ends its running text, after the last delta."""
        reply = None
        if isinstance(event, ReplyFinished | ReplyFailed):
            reply = self._running.pop(event.message.id, None)
        self._seq += 1
        self._log.append((self._seq, event, reply))
        self.notify()

    def notify(self) -> None:
        """Wake the watchers: a running reply has news."""
        self.touched = time.monotonic()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _snapshot(self, without: Collection[str] = ()) -> Snapshot:
        running = (r for r in self._running.values() if r.message_id not in without)
        return Snapshot(tuple(RunningState(r.message_id, r.text, r.position) for r in running))

    async def watch(self, last_event_id: str | None, heartbeat_s: float) -> AsyncGenerator[Told, None]:
        """Yield ``(event id, event)`` for ever; ``(id, None)`` is a heartbeat after `heartbeat_s` of silence."""
        self.watchers += 1
        try:
            place = self._parse(last_event_id)
            # All of this moment, before anything is told: while a slow watcher takes an event, others come.
            missed = [] if place is None else [entry for entry in self._log if entry[0] > place]
            seen = self._seq
            new = {e.message.id for _, e, _ in missed if isinstance(e, MessageAdded)}
            readers = {r.message_id: _Reader(r, at_start=r.message_id in new) for r in self._running.values()}
            snapshot = self._snapshot(new)
            if last_event_id is not None and place is None:
                yield f"{self.epoch}-{seen}", Reset()
            for seq, event, reply in missed:
                if reply is not None and reply.message_id in new:
                    for news in _Reader(reply, at_start=True).news():
                        yield f"{self.epoch}-{seq - 1}", news
                yield f"{self.epoch}-{seq}", event
            yield f"{self.epoch}-{seen}", snapshot
            async for item in self._follow(seen, readers, heartbeat_s):
                yield item
        finally:
            self.watchers -= 1
            self.touched = time.monotonic()

    async def _follow(self, seen: int, readers: dict[str, _Reader], heartbeat_s: float) -> AsyncGenerator[Told, None]:
        while not self.closed:
            changed = self._changed
            if self._log and self._log[0][0] > seen + 1:  # fell behind the log itself
                seen, snapshot = self._seq, self._snapshot()
                readers = {r.message_id: _Reader(r, at_start=False) for r in self._running.values()}
                yield f"{self.epoch}-{seen}", Reset()
                yield f"{self.epoch}-{seen}", snapshot
            fresh = [entry for entry in self._log if entry[0] > seen] if self._seq > seen else []
            for seq, event, reply in fresh:
                if isinstance(event, ReplyFinished | ReplyFailed) and reply is not None:
                    reader = readers.pop(event.message.id, None) or _Reader(reply, at_start=True)
                    for news in reader.news():
                        yield f"{self.epoch}-{seen}", news
                seen = seq
                yield f"{self.epoch}-{seq}", event
            if self._seq > seen:
                continue  # a reply's deltas come after the message that announces it
            said = bool(fresh)
            for reply in list(self._running.values()):
                if reply.message_id not in readers:
                    readers[reply.message_id] = _Reader(reply, at_start=True)
                for news in readers[reply.message_id].news():
                    said = True
                    yield f"{self.epoch}-{seen}", news
            if said:
                await asyncio.sleep(MIN_INTERVAL_S)
            try:
                async with asyncio.timeout(heartbeat_s):
                    await changed.wait()
            except TimeoutError:
                yield f"{self.epoch}-{seen}", None

    def _parse(self, event_id: str | None) -> int | None:
        epoch, _, seq = (event_id or "").partition("-")
        if epoch != self.epoch or not seq.isascii() or not seq.isdigit() or len(seq) > 18:
            return None
        oldest = self._log[0][0] if self._log else self._seq + 1
        return int(seq) if oldest - 1 <= int(seq) <= self._seq else None


class Hub:
    """The channels of all conversations. A channel lives while it is used, and a while longer for resuming."""

    def __init__(self, keep_s: float = 120.0) -> None:
        self._channels: dict[str, Channel] = {}
        self._keep_s = keep_s
        self._closed = False

    def channel(self, conversation_id: str) -> Channel:
        """The conversation's channel, made at need."""
        found = self._channels.get(conversation_id)
        if found is None:
            self._drop_idle()
            found = self._channels[conversation_id] = Channel()
            found.closed = self._closed
        found.touched = time.monotonic()
        return found

    def _drop_idle(self) -> None:
        limit = time.monotonic() - self._keep_s
        for key in [k for k, c in self._channels.items() if c.idle and c.touched < limit]:
            del self._channels[key]

    def close(self) -> None:
        """End all watching, also what would begin only now: the server shuts down."""
        self._closed = True
        for channel in self._channels.values():
            channel.closed = True
            channel.notify()

    @property
    def watchers(self) -> int:
        """Open event streams."""
        return sum(c.watchers for c in self._channels.values())


def is_end(event: Event | None, message_id: str) -> bool:
    """Whether `event` ends the reply `message_id`."""
    return isinstance(event, ReplyFinished | ReplyFailed) and event.message.id == message_id
