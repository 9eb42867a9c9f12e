"""A running reply, the only owner of its text, and the cursor with which a subscriber reads it.

Once the reply has ended, its row in the store owns the text. Channel, task and services share the
:class:`RunningReply` and never copy its text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from app.chat.events import Event, ReplyDelta, ReplyFailed, ReplyFinished, ReplyQueued, ReplyStarted
from app.domain.messages import Message


class RunningReply:
    """The text so far, the position in the queue, and finally the event with which it ended."""

    def __init__(self, message: Message, dropped_turns: int = 0) -> None:
        self.message = message  # the row as first written; its content is the beginning of the text
        self.dropped_turns = dropped_turns
        self.position: int | None = None
        self.started = False
        self.announced_id = ""  # event id of its MessageAdded
        self.end: tuple[str, ReplyFinished | ReplyFailed] | None = None  # with its event id
        self._pieces: list[str] = []
        self._ends: list[int] = []  # length of the text up to the end of each piece, in code points
        self.length = 0
        if message.content:
            self.append(message.content)

    @property
    def message_id(self) -> str:
        """The reply's message."""
        return self.message.id

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self._pieces)

    def append(self, text: str) -> None:
        """Add new text."""
        self.length += len(text)
        self._pieces.append(text)
        self._ends.append(self.length)

    def text_from(self, offset: int) -> str:
        """The text after the first `offset` code points, in time proportional to its length."""
        at = bisect_right(self._ends, offset)
        if at == len(self._pieces):
            return ""
        begin = self._ends[at - 1] if at else 0
        return self._pieces[at][offset - begin :] + "".join(self._pieces[at + 1 :])


class ReplyCursor:
    """A subscriber's position in one reply."""

    def __init__(self, message_id: str, offset: int) -> None:
        self._message_id = message_id
        self._offset = offset
        self._position: int | None = None
        self._started = False

    @classmethod
    def at_end(cls, reply: RunningReply) -> ReplyCursor:
        """A cursor for a subscriber that has the text of `reply` so far."""
        cursor = cls(reply.message_id, reply.length)
        cursor._position, cursor._started = reply.position, reply.started
        return cursor

    def news(self, reply: RunningReply) -> Iterator[Event]:
        """The events for what has changed in `reply` since the last call."""
        if reply.position is not None and reply.position != self._position:
            yield ReplyQueued(self._message_id, reply.position)
        self._position = reply.position
        if reply.started:
            yield from self._start(reply.dropped_turns)
        if reply.length > self._offset:
            yield self._delta(reply.text_from(self._offset))

    def rest(self, ended: Message) -> Iterator[Event]:
        """The events for the rest of a reply that has ended, from its row."""
        if len(ended.content) > self._offset:
            yield from self._start(ended.provenance.dropped_turns if ended.provenance else 0)
            yield self._delta(ended.content[self._offset :])

    def _start(self, dropped_turns: int) -> Iterator[Event]:
        if not self._started:
            self._started = True
            yield ReplyStarted(self._message_id, dropped_turns)

    def _delta(self, text: str) -> ReplyDelta:
        offset, self._offset = self._offset, self._offset + len(text)
        return ReplyDelta(self._message_id, offset, text)
