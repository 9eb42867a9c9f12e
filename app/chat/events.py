"""The events of a conversation, as its subscribers receive them."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.feedback import Ranking, Rating
from app.domain.messages import Conversation, Message
from app.errors import ParleyError


@dataclass(frozen=True, slots=True)
class RunningState:
    """A running reply in a snapshot."""

    message_id: str
    text: str
    position: int | None  # place in the queue; None once it is being computed
    reasoning: str = ""
    thinking_ms: int | None = None  # None: it has not ended, or there is none


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All running replies: the first event of a subscriber, and the one after a ``Reset``."""

    running: tuple[RunningState, ...]


@dataclass(frozen=True, slots=True)
class Reset:
    """The subscriber missed events and must read the conversation again. A ``Snapshot`` follows."""


@dataclass(frozen=True, slots=True)
class MessageAdded:
    """A question or a reply was added."""

    message: Message


@dataclass(frozen=True, slots=True)
class ReplyQueued:
    """The reply waits; position 1 is next."""

    message_id: str
    position: int


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """The reply is being computed; `dropped_turns` old turns did not fit the context."""

    message_id: str
    dropped_turns: int


@dataclass(frozen=True, slots=True)
class ReplyReading:
    """The model reads the prompt: `read_tokens` of `prompt_tokens` so far."""

    message_id: str
    read_tokens: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class ReplyDelta:
    """New text; `offset` code points of the reply came before it."""

    message_id: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """New reasoning; `offset` code points of it came before."""

    message_id: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningEnded:
    """The answer begins after this much time."""

    message_id: str
    thinking_ms: int


@dataclass(frozen=True, slots=True)
class ReplyFinished:
    """The reply is final and committed (complete, cancelled or interrupted)."""

    message: Message


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The reply ended with an error; its text so far is kept."""

    message: Message
    error: ParleyError


@dataclass(frozen=True, slots=True)
class MessageRated:
    """A reply was rated."""

    rating: Rating


@dataclass(frozen=True, slots=True)
class RepliesRanked:
    """Replies were shown side by side or ranked, or their ranking was withdrawn."""

    ranking: Ranking


@dataclass(frozen=True, slots=True)
class ConversationUpdated:
    """Title, model, settings, pin or time of the last message changed."""

    conversation: Conversation


@dataclass(frozen=True, slots=True)
class ConversationDeleted:
    """The conversation is in the trash."""


StoredEvent = (
    MessageAdded
    | ReplyFinished
    | ReplyFailed
    | MessageRated
    | RepliesRanked
    | ConversationUpdated
    | ConversationDeleted
)
RunningEvent = ReplyQueued | ReplyStarted | ReplyReading | ReasoningDelta | ReasoningEnded | ReplyDelta
Event = StoredEvent | RunningEvent | Snapshot | Reset
