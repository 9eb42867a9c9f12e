"""Conversations as trees of messages, and functions on them.

A message's parent is the message that it answers; the first one has none. Children of the same parent are *siblings*:
versions of a reply, or of an edited question. A person sees, and a model reads, the path from the root to a *leaf*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypedDict

from app.domain.generation import FinishReason, Usage
from app.domain.reasoning import answer_of
from app.errors import MessageNotFound


class Role(StrEnum):
    """The author of a turn."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class MessageState(StrEnum):
    """``pending`` while a reply runs; every other state is final and the row immutable."""

    PENDING = "pending"
    COMPLETE = "complete"
    CANCELLED = "cancelled"  # stopped by a person; the text so far is kept
    FAILED = "failed"  # the engine failed; ``error_code`` says how
    INTERRUPTED = "interrupted"  # the server stopped while it ran


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as a model sees it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a reply was generated: everything needed to reproduce it."""

    model_id: str
    model_digest: str  # SHA-256 of the weights, or of what identifies them
    family: str
    engine: str
    quantization: str
    sampling: Mapping[str, object]  # SamplingParams.as_dict(), seed included
    prompt_digest: str  # SHA-256 of the prompt's UTF-8 text
    adapter: str | None = None
    dropped_turns: int = 0  # oldest turns left out because the context was full
    system_prompt: str = ""  # for this reply; the conversation's may have changed since


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of a reply in milliseconds, measured at the queue of the model."""

    queued_ms: int | None = None
    first_token_ms: int | None = None  # from admission to the first text
    duration_ms: int | None = None  # from admission to the end
    thinking_ms: int | None = None  # from the first to the last of the reasoning


@dataclass(frozen=True, slots=True)
class Message:
    """A message; a reply also has its provenance and how it ended."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    content: str
    state: MessageState
    created_at: datetime  # UTC
    finish_reason: FinishReason | None = None
    error_code: str | None = None
    error_message: str | None = None
    error_details: Mapping[str, object] = field(default_factory=dict)  # as in ``ParleyError.details``
    continues_id: str | None = None  # the interrupted reply whose text this one begins with
    corrects_id: str | None = None  # the reply of which this one is a person's corrected text
    provenance: Provenance | None = None
    imported_model: str | None = None  # of an imported reply: the model that its file names, not verified; or ""
    usage: Usage = field(default_factory=Usage)
    timing: Timing = field(default_factory=Timing)
    reasoning: str = ""  # before the content; no prompt contains it


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation's own data, without its messages."""

    id: str
    user_id: str
    title: str
    model_id: str | None  # None: the default model at the time of each reply
    system_prompt: str
    sampling: Mapping[str, object]  # overrides of the model's default sampling, by field name
    leaf_id: str | None  # the leaf of the path shown last
    pinned: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    allow_training: bool = True  # its owner's consent that judgements of its replies become training data
    dataset_file: str | None = None  # of a row of imported training data: its file's name, or ""; None: a chat


class ConversationChanges(TypedDict, total=False):
    """The fields of a conversation that can be changed."""

    title: str
    model_id: str | None
    system_prompt: str
    sampling: Mapping[str, object]  # in place of all overrides
    sampling_changes: Mapping[str, object]  # of some overrides; None removes one
    pinned: bool
    leaf_id: str | None
    allow_training: bool


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A search result: a conversation with a snippet of a message, or of the title (no `message_id`)."""

    conversation: Conversation
    message_id: str | None
    snippet: str
    ranges: tuple[tuple[int, int], ...]  # [start, end) of the matches in `snippet`, in code points


def by_id(messages: Iterable[Message]) -> dict[str, Message]:
    """Index messages by id."""
    return {m.id: m for m in messages}


def path_to(messages: Mapping[str, Message], leaf_id: str | None) -> list[Message]:
    """The messages from the root to `leaf_id`; empty for ``None``.

    Raises :class:`MessageNotFound` when `leaf_id` or one of its ancestors is missing.
    """
    path: list[Message] = []
    at = leaf_id
    while at is not None:
        if at not in messages or len(path) > len(messages):
            raise MessageNotFound("This message isn't part of the conversation. Reload the page.", message_id=at)
        path.append(messages[at])
        at = messages[at].parent_id
    return path[::-1]


def turns(path: Iterable[Message], system_prompt: str = "") -> list[Turn]:
    """`path` as turns, with the system prompt; without reasoning and without empty messages."""
    found = [Turn(Role.SYSTEM, system_prompt)] if system_prompt.strip() else []
    found.extend(turn for m in path if (turn := without_reasoning(Turn(m.role, m.content))).content)
    return found


def without_reasoning(turn: Turn) -> Turn:
    """`turn` without the reasoning that its text may begin with, if it is a reply."""
    return Turn(turn.role, answer_of(turn.content)) if turn.role is Role.ASSISTANT else turn
