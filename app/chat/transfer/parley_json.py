"""Exports a conversation as Parley's own JSON.

An import restores messages, dates, tree and the user's ratings. Of the provenance, which could be forged in a file, it
keeps the model's name, as that of an imported reply.

    {"format": "parley.conversation", "version": 1, "conversation": {…}, "messages": [{id, parent_id, role, …}]}
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.chat.transfer.reading.formats import FORMAT, VERSION
from app.domain.feedback import Rating
from app.domain.messages import Conversation, Message
from app.store.repositories import Repositories

_PIECE_CHARS = 1 << 16


@dataclass(frozen=True, slots=True)
class Exported:
    """A conversation with its whole tree, and one person's ratings."""

    conversation: Conversation
    messages: Sequence[Message]
    ratings: Mapping[str, Rating]


def read(user_id: str, conversation_id: str, r: Repositories) -> Exported:
    """What is exported of a conversation of `user_id`. Raises :class:`~app.errors.ConversationNotFound`."""
    conversation = r.conversations.get(user_id, conversation_id)
    return Exported(conversation, r.messages.all(conversation.id), r.ratings.latest(conversation.id, user_id))


def pieces(exported: Exported) -> Iterator[bytes]:
    """The JSON, oldest message first, in pieces: a long conversation as one would stop all others meanwhile."""
    conversation = exported.conversation
    head = {
        "id": conversation.id,
        "title": conversation.title,
        "model_id": conversation.model_id,
        "system_prompt": conversation.system_prompt,
        "sampling": dict(conversation.sampling),
        "leaf_id": conversation.leaf_id,
        "created_at": conversation.created_at.isoformat(),
    }
    piece = f'{{"format": "{FORMAT}", "version": {VERSION},\n"conversation": {_json(head)},\n"messages": ['
    for n, message in enumerate(exported.messages):
        piece += f"{',' if n else ''}\n{_json(_message(message, exported.ratings.get(message.id)))}"
        if len(piece) >= _PIECE_CHARS:
            yield piece.encode()
            piece = ""
    yield f"{piece}\n]}}\n".encode()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _message(message: Message, rating: Rating | None) -> dict[str, Any]:
    return {
        "id": message.id,
        "parent_id": message.parent_id,
        "role": message.role.value,
        "content": message.content,
        **({"reasoning": message.reasoning} if message.reasoning else {}),
        "state": message.state.value,
        "created_at": message.created_at.isoformat(),
        "finish_reason": message.finish_reason.value if message.finish_reason else None,
        "imported_model": message.imported_model,
        "provenance": asdict(message.provenance) if message.provenance else None,
        "rating": _rating(rating) if rating else None,
    }


def _rating(rating: Rating) -> dict[str, Any]:
    return {
        "verdict": rating.verdict.value,
        "reasons": list(rating.reasons),
        "comment": rating.comment,
        "score": rating.score,
    }
