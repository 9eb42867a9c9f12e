"""Publishes the events of one conversation to any number of subscribers, each at their own pace.

Nothing is queued per subscriber. What happened is a short log; what is being written is one text per running reply
(:class:`~app.chat.running_reply.RunningReply`). A subscriber is a place in the log and a cursor into each running
reply, so a slow one gets fewer, longer deltas and costs no memory, and no delta can be lost, doubled or reordered.

A subscriber who names the last event they received gets a replay: the logged events after it, and the text of replies
that still run from its beginning. One who names none starts from a ``Snapshot``; one whose event has left the log gets
a ``Reset`` and a ``Snapshot``. Nobody gets both a replay and a snapshot.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator

from app.chat.events import (
    Event,
    MessageAdded,
    ReplyFailed,
    ReplyFinished,
    Reset,
    RunningState,
    Snapshot,
    StoredEvent,
)
from app.chat.running_reply import ReplyCursor, RunningReply
from app.domain.messages import MessageState

EventStream = AsyncGenerator[tuple[str, Event | None], None]  # events with their ids; no event: a heartbeat

LOG_LENGTH = 512
MIN_INTERVAL_S = 1 / 30  # between two rounds of deltas to one subscriber


class Channel:
    """The log, the running replies and the subscribers of one conversation."""

    def __init__(self) -> None:
        self.closed = False
        self.epoch = secrets.token_hex(4)
        self.subscribers = 0
        self.touched = time.monotonic()
        self._seq = 0
        self._log: deque[tuple[int, StoredEvent]] = deque(maxlen=LOG_LENGTH)
        self._running: dict[str, RunningReply] = {}
        self._changed = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether there are no subscribers and nothing runs."""
        return not self.subscribers and not self._running

    @property
    def event_id(self) -> str:
        """The place after everything that has happened so far."""
        return self._id(self._seq)

    def running(self, message_id: str) -> RunningReply | None:
        """The running reply with this id."""
        return self._running.get(message_id)

    def start(self, reply: RunningReply) -> None:
        """Announce a reply that begins to run."""
        self._running[reply.message_id] = reply
        self.publish(MessageAdded(reply.message))
        reply.announced_id = self.event_id

    def publish(self, event: StoredEvent) -> None:
        """Log an event. The end of a reply also ends its running text."""
        self._seq += 1
        self._log.append((self._seq, event))
        if isinstance(event, ReplyFinished | ReplyFailed):
            reply = self._running.pop(event.message.id, None)
            if reply is not None:
                reply.end = self.event_id, event
        self.notify()

    def notify(self) -> None:
        """Wake the subscribers: a running reply has news."""
        self.touched = time.monotonic()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def subscribe(self, last_event_id: str | None, heartbeat_s: float) -> EventStream:
        """Yield ``(event id, event)`` until the channel closes; ``(id, None)`` after `heartbeat_s` of silence."""
        self.subscribers += 1
        try:
            seen = self._place(last_event_id)
            cursors = {} if seen is None else self._known_at(seen)
            while True:
                if seen is None or self._starts_after(seen):
                    seen, snapshot = self._seq, self._snapshot()
                    cursors = {key: ReplyCursor.at_end(reply) for key, reply in self._running.items()}
                    if last_event_id:
                        yield self._id(seen), Reset()
                    last_event_id = self._id(seen)
                    yield last_event_id, snapshot
                    continue  # to a slow subscriber this took so long that the log may have gone on
                changed, sent = self._changed, False
                for seq, event in [entry for entry in self._log if entry[0] > seen]:
                    sent = True
                    if isinstance(event, ReplyFinished | ReplyFailed) and (
                        ended := cursors.pop(event.message.id, None)
                    ):
                        for news in ended.rest(event.message):
                            yield self._id(seen), news
                    if isinstance(event, MessageAdded) and event.message.state is MessageState.PENDING:
                        cursors[event.message.id] = ReplyCursor(event.message.id, len(event.message.content))
                    seen = seq
                    yield self._id(seen), event
                for key, reply in list(self._running.items()):
                    if cursor := cursors.get(key):  # without one, the message that announces it comes first
                        for news in cursor.news(reply):
                            sent = True
                            yield self._id(seen), news
                if self.closed:
                    return
                if not await _wait(changed, heartbeat_s, pause=sent):
                    yield self._id(seen), None
        finally:
            self.subscribers -= 1
            self.touched = time.monotonic()

    async def follow(self, reply: RunningReply, heartbeat_s: float) -> EventStream:
        """Yield only what concerns one running reply, from its message up to its end.

        It reads the reply itself and not the log, so that a gap in the log can't hide the end.
        """
        self.subscribers += 1
        try:
            place, cursor = reply.announced_id, ReplyCursor(reply.message_id, len(reply.message.content))
            yield place, MessageAdded(reply.message)
            while True:
                changed, end, sent = self._changed, reply.end, False
                for news in cursor.news(reply):
                    sent = True
                    yield place, news
                if end is not None:
                    yield end
                if end is not None or self.closed:
                    return
                if not await _wait(changed, heartbeat_s, pause=sent):
                    yield place, None
        finally:
            self.subscribers -= 1
            self.touched = time.monotonic()

    def _id(self, seq: int) -> str:
        return f"{self.epoch}-{seq}"

    def _place(self, event_id: str | None) -> int | None:
        """The place in the log after the event called `event_id`; ``None`` when the log doesn't reach back to it."""
        epoch, _, seq = (event_id or "").partition("-")
        if epoch != self.epoch or not seq.isascii() or not seq.isdigit() or len(seq) > 18:
            return None
        return None if int(seq) > self._seq or self._starts_after(int(seq)) else int(seq)

    def _starts_after(self, seq: int) -> bool:
        """Whether events after `seq` have left the log."""
        return self._seq - len(self._log) > seq

    def _known_at(self, seen: int) -> dict[str, ReplyCursor]:
        """Cursors at the beginning of the replies that were announced before the place `seen`, and still run."""
        new = {event.message.id for seq, event in self._log if seq > seen and isinstance(event, MessageAdded)}
        return {key: ReplyCursor(key, 0) for key in self._running if key not in new}

    def _snapshot(self) -> Snapshot:
        return Snapshot(tuple(RunningState(r.message_id, r.text, r.position) for r in self._running.values()))


async def _wait(changed: asyncio.Event, heartbeat_s: float, *, pause: bool) -> bool:
    """Wait until `changed`, at least a short `pause`. False when nothing happened for `heartbeat_s`."""
    if pause:
        await asyncio.sleep(MIN_INTERVAL_S)
    try:
        async with asyncio.timeout(heartbeat_s):
            await changed.wait()
    except TimeoutError:
        return False
    return True
