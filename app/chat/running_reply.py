"""A running reply, the only owner of its texts, and the cursor with which a subscriber reads it.

Once the reply has ended, its row in the store owns the text. Channel, task and services share the
:class:`RunningReply` and never copy its text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from app.chat.events import (
    Event,
    ReasoningDelta,
    ReasoningEnded,
    ReplyDelta,
    ReplyFailed,
    ReplyFinished,
    ReplyQueued,
    ReplyReading,
    ReplyStarted,
)
from app.domain.generation import Reading
from app.domain.messages import Message


class GrowingText:
    """A text that grows at its end."""

    def __init__(self, text: str = "") -> None:
        self.length = 0  # in code points
        self._pieces: list[str] = []
        self._ends: list[int] = []  # length of the text up to the end of each piece
        self.append(text)

    def __str__(self) -> str:
        """All of it."""
        return "".join(self._pieces)

    def append(self, text: str) -> None:
        """Add new text."""
        if text:
            self.length += len(text)
            self._pieces.append(text)
            self._ends.append(self.length)

    def after(self, offset: int) -> str:
        """The text after the first `offset` code points, in time proportional to its length."""
        at = bisect_right(self._ends, offset)
        if at == len(self._pieces):
            return ""
        begin = self._ends[at - 1] if at else 0
        return self._pieces[at][offset - begin :] + "".join(self._pieces[at + 1 :])


class RunningReply:
    """The texts so far, the position in the queue, and finally the event with which it ended."""

    def __init__(self, message: Message, dropped_turns: int = 0) -> None:
        self.message = message  # the row as first written; its content is the beginning of the text
        self.dropped_turns = dropped_turns
        self.position: int | None = None
        self.started = False
        self.reading: Reading | None = None  # of the prompt, until the first text
        self.announced_id = ""  # event id of its MessageAdded
        self.end: tuple[str, ReplyFinished | ReplyFailed] | None = None  # with its event id
        self.content = GrowingText(message.content)
        self.reasoning = GrowingText(message.reasoning)
        self.thinking_ms = message.timing.thinking_ms if message.content else None  # once the reasoning has ended

    @property
    def message_id(self) -> str:
        """The reply's message."""
        return self.message.id

    @property
    def length(self) -> int:
        """Code points so far, of both texts."""
        return self.content.length + self.reasoning.length

    @property
    def text(self) -> str:
        """The answer so far."""
        return str(self.content)

    def append(self, text: str, reasoning: str = "") -> None:
        """Add new text."""
        self.reasoning.append(reasoning)
        self.content.append(text)


class ReplyCursor:
    """A subscriber's position in one reply."""

    def __init__(self, message_id: str, offset: int = 0, reasoning_offset: int = 0) -> None:
        self._message_id = message_id
        self._offset = offset
        self._reasoning_offset = reasoning_offset
        self._has_ended_reasoning = False
        self._position: int | None = None
        self._started = False
        self._reading: Reading | None = None

    @classmethod
    def at_end(cls, reply: RunningReply) -> ReplyCursor:
        """A cursor for a subscriber that has the text of `reply` so far."""
        cursor = cls(reply.message_id, reply.content.length, reply.reasoning.length)
        cursor._has_ended_reasoning = reply.thinking_ms is not None
        cursor._position, cursor._started, cursor._reading = reply.position, reply.started, reply.reading
        return cursor

    @classmethod
    def after(cls, message: Message) -> ReplyCursor:
        """A cursor for a subscriber that has the row of a reply as first written."""
        return cls(message.id, len(message.content), len(message.reasoning))

    def news(self, reply: RunningReply) -> Iterator[Event]:
        """The events for what has changed in `reply` since the last call."""
        if reply.position is not None and reply.position != self._position:
            yield ReplyQueued(self._message_id, reply.position)
        self._position = reply.position
        if reply.started:
            yield from self._start(reply.dropped_turns)
        if reply.reading is not None and reply.reading != self._reading and not reply.length:
            yield ReplyReading(self._message_id, reply.reading.read_tokens, reply.reading.prompt_tokens)
        self._reading = reply.reading
        if reply.reasoning.length > self._reasoning_offset:
            yield self._reasoning(reply.reasoning.after(self._reasoning_offset))
        yield from self._end_reasoning(reply.thinking_ms)
        if reply.content.length > self._offset:
            yield self._delta(reply.content.after(self._offset))

    def rest(self, ended: Message) -> Iterator[Event]:
        """The events for the rest of a reply that has ended, from its row."""
        rest, reasoning = ended.content[self._offset :], ended.reasoning[self._reasoning_offset :]
        if rest or reasoning:
            yield from self._start(ended.provenance.dropped_turns if ended.provenance else 0)
        if reasoning:
            yield self._reasoning(reasoning)
        yield from self._end_reasoning(ended.timing.thinking_ms)
        if rest:
            yield self._delta(rest)

    def _start(self, dropped_turns: int) -> Iterator[Event]:
        if not self._started:
            self._started = True
            yield ReplyStarted(self._message_id, dropped_turns)

    def _reasoning(self, text: str) -> ReasoningDelta:
        offset, self._reasoning_offset = self._reasoning_offset, self._reasoning_offset + len(text)
        return ReasoningDelta(self._message_id, offset, text)

    def _end_reasoning(self, thinking_ms: int | None) -> Iterator[Event]:
        if thinking_ms is not None and not self._has_ended_reasoning:
            self._has_ended_reasoning = True
            yield ReasoningEnded(self._message_id, thinking_ms)

    def _delta(self, text: str) -> ReplyDelta:
        offset, self._offset = self._offset, self._offset + len(text)
        return ReplyDelta(self._message_id, offset, text)
