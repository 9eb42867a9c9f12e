"""Publishes the events of one conversation to any number of subscribers, each at their own pace.

Nothing is queued per subscriber. Events are kept in a short log, and each running reply has one text
(:class:`~app.chat.running_reply.RunningReply`). A subscriber is a position in the log and a cursor into each running
reply, so a slow one gets fewer, longer deltas and costs no memory, and deltas can't be lost, duplicated or reordered.

A subscriber that sends the id of the last event it received gets a replay: the logged events after it, and the text of
running replies from its beginning. Without an id it starts from a ``Snapshot``; if the event has left the log, it gets
a ``Reset`` and a ``Snapshot``. No subscriber gets both a replay and a snapshot.
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

EventStream = AsyncGenerator[tuple[str, Event | None], None]  # events with their ids; None: a heartbeat

LOG_LENGTH = 512
MIN_INTERVAL_S = 1 / 30  # at least, between two deltas to one subscriber


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
        """Whether there are no subscribers and no running replies."""
        return not self.subscribers and not self._running

    @property
    def event_id(self) -> str:
        """The id of the latest event."""
        return self._id(self._seq)

    def running(self, message_id: str) -> RunningReply | None:
        """The running reply with this id."""
        return self._running.get(message_id)

    def start(self, reply: RunningReply) -> None:
        """Add a running reply and publish its message."""
        self._running[reply.message_id] = reply
        self.publish(MessageAdded(reply.message))
        reply.announced_id = self.event_id

    def publish(self, event: StoredEvent) -> None:
        """Log an event and wake the subscribers. The end of a reply also removes it from the running ones."""
        self._seq += 1
        self._log.append((self._seq, event))
        if isinstance(event, ReplyFinished | ReplyFailed):
            reply = self._running.pop(event.message.id, None)
            if reply is not None:
                reply.end = self.event_id, event
        self.notify()

    def notify(self) -> None:
        """Wake the subscribers after a running reply has changed."""
        self.touched = time.monotonic()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def subscribe(self, last_event_id: str | None, heartbeat_s: float) -> EventStream:
        """Yield ``(event id, event)`` until the channel closes; ``(id, None)`` after `heartbeat_s` of silence."""
        self.subscribers += 1
        try:
            seen = self._position(last_event_id)
            cursors = {} if seen is None else self._known_at(seen)
            while True:
                if seen is None or self._starts_after(seen):
                    seen, snapshot = self._seq, self._snapshot()
                    cursors = {key: ReplyCursor.at_end(reply) for key, reply in self._running.items()}
                    if last_event_id:
                        yield self._id(seen), Reset()
                    last_event_id = self._id(seen)
                    yield last_event_id, snapshot
                    continue  # meanwhile the log may have moved on, if the subscriber was slow
                changed, sent = self._changed, False
                for seq, event in [entry for entry in self._log if entry[0] > seen]:
                    sent = True
                    if isinstance(event, ReplyFinished | ReplyFailed) and (
                        ended := cursors.pop(event.message.id, None)
                    ):
                        for news in ended.rest(event.message):
                            yield self._id(seen), news
                    if isinstance(event, MessageAdded) and event.message.state is MessageState.PENDING:
                        cursors[event.message.id] = ReplyCursor.after(event.message)
                    seen = seq
                    yield self._id(seen), event
                for key, reply in list(self._running.items()):
                    if cursor := cursors.get(key):  # without one, its MessageAdded has to be sent first
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
        """Yield only the events of one running reply, from its message to its end.

        They are read from the reply and not from the log, so that a gap in the log can't hide the end.
        """
        self.subscribers += 1
        try:
            event_id, cursor = reply.announced_id, ReplyCursor.after(reply.message)
            yield event_id, MessageAdded(reply.message)
            while True:
                changed, end, sent = self._changed, reply.end, False
                for news in cursor.news(reply):
                    sent = True
                    yield event_id, news
                if end is not None:
                    yield end
                if end is not None or self.closed:
                    return
                if not await _wait(changed, heartbeat_s, pause=sent):
                    yield event_id, None
        finally:
            self.subscribers -= 1
            self.touched = time.monotonic()

    def _id(self, seq: int) -> str:
        return f"{self.epoch}-{seq}"

    def _position(self, event_id: str | None) -> int | None:
        """The position in the log of the event `event_id`; ``None`` when events after it have left the log."""
        epoch, _, seq = (event_id or "").partition("-")
        if epoch != self.epoch or not seq.isascii() or not seq.isdigit() or len(seq) > 18:
            return None
        return None if int(seq) > self._seq or self._starts_after(int(seq)) else int(seq)

    def _starts_after(self, seq: int) -> bool:
        """Whether events after `seq` have left the log."""
        return self._seq - len(self._log) > seq

    def _known_at(self, seen: int) -> dict[str, ReplyCursor]:
        """Cursors at the beginning of the running replies whose message was published up to position `seen`."""
        new = {event.message.id for seq, event in self._log if seq > seen and isinstance(event, MessageAdded)}
        return {key: ReplyCursor(key) for key in self._running if key not in new}

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            tuple(
                RunningState(r.message_id, r.text, r.position, str(r.reasoning), r.thinking_ms)
                for r in self._running.values()
            )
        )


async def _wait(changed: asyncio.Event, heartbeat_s: float, *, pause: bool) -> bool:
    """Wait for `changed`; if `pause`, for at least the minimum interval. False after `heartbeat_s` without a change."""
    if pause:
        await asyncio.sleep(MIN_INTERVAL_S)
    try:
        async with asyncio.timeout(heartbeat_s):
            await changed.wait()
    except TimeoutError:
        return False
    return True
