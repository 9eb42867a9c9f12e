"""Shared conversations: a frozen copy of one path, which anybody with the link can read until it expires."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from app.domain.messages import Message, MessageState, Role

MIN_PASSCODE, MAX_PASSCODE = 4, 100


@dataclass(frozen=True, slots=True)
class SharedMessage:
    """What a reader sees of a message: no reasoning, times of generation, errors or ratings."""

    role: Role
    content: str
    model: str  # of a reply, or ""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Share:
    """A link to a frozen copy. `author` is empty unless its owner wants to be named."""

    id: str
    user_id: str
    conversation_id: str
    title: str
    author: str
    messages: Sequence[SharedMessage]
    created_at: datetime
    expires_at: datetime
    passcode_hash: str | None = field(default=None, repr=False)


def frozen(path: Iterable[Message]) -> list[SharedMessage]:
    """The copy of a path: questions, and replies that have ended with text."""
    return [
        SharedMessage(message.role, message.content, _model(message), message.created_at)
        for message in path
        if message.role in (Role.USER, Role.ASSISTANT)
        and message.content.strip()
        and message.state is not MessageState.PENDING
    ]


def _model(message: Message) -> str:
    return message.provenance.model_id if message.provenance else message.imported_model or ""
