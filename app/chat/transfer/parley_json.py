"""Exports a conversation as Parley's own JSON.

An import restores messages, dates, tree and the user's ratings. Of the provenance, which could be forged in a file, it
keeps the model's name, as that of an imported reply.

    {"format": "parley.conversation", "version": 1, "conversation": {…}, "messages": [{id, parent_id, role, …}]}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from app.domain.feedback import Rating
from app.domain.messages import Conversation, Message

FORMAT = "parley.conversation"
VERSION = 1


def dump(conversation: Conversation, messages: Sequence[Message], ratings: Mapping[str, Rating]) -> dict[str, Any]:
    """The whole tree, JSON-ready, oldest message first."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "conversation": {
            "id": conversation.id,
            "title": conversation.title,
            "model_id": conversation.model_id,
            "system_prompt": conversation.system_prompt,
            "sampling": dict(conversation.sampling),
            "leaf_id": conversation.leaf_id,
            "created_at": conversation.created_at.isoformat(),
        },
        "messages": [_message(m, ratings.get(m.id)) for m in messages],
    }


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
