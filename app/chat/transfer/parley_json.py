"""Exports a conversation as Parley's own JSON.

An import restores messages, dates, tree, corrections and the user's ratings and rankings. Of the provenance, which
could be forged in a file, it keeps the model's name, as that of an imported reply.

    {"format": "parley.conversation", "version": 1, "conversation": {…}, "messages": [{id, parent_id, role, …}],
     "rankings": [{source, items: [{message_id, rank, position, settings}], blind, both_bad, created_at}]}

Readers pass over fields that they don't know, so fields are added without a new version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.chat.transfer.reading.programs.parley import FORMAT, VERSION
from app.domain.feedback import Ranking, Rating
from app.domain.messages import Conversation, Message
from app.store.repositories import Repositories

_PIECE_CHARS = 1 << 16


@dataclass(frozen=True, slots=True)
class Exported:
    """A conversation with its whole tree, and one person's ratings and rankings."""

    conversation: Conversation
    messages: Sequence[Message]
    ratings: Mapping[str, Rating]
    rankings: Sequence[Ranking]


def read(user_id: str, conversation_id: str, r: Repositories) -> Exported:
    """What is exported of a conversation of `user_id`. Raises :class:`~app.errors.ConversationNotFound`."""
    conversation = r.conversations.get(user_id, conversation_id)
    rankings = [ranking for ranking in r.rankings.current(conversation.id, user_id) if not ranking.is_open]
    ratings = r.ratings.latest(conversation.id, user_id)
    return Exported(conversation, r.messages.all(conversation.id), ratings, rankings)


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
        "allow_training": conversation.allow_training,
    }
    piece = f'{{"format": "{FORMAT}", "version": {VERSION},\n"conversation": {_json(head)},\n"messages": ['
    for n, message in enumerate(exported.messages):
        piece += f"{',' if n else ''}\n{_json(_message(message, exported.ratings.get(message.id)))}"
        if len(piece) >= _PIECE_CHARS:
            yield piece.encode()
            piece = ""
    yield f'{piece}\n],\n"rankings": {_json([_ranking(one) for one in exported.rankings])}}}\n'.encode()


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
        "corrects_id": message.corrects_id,
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
        "created_at": rating.created_at.isoformat(),
    }


def _ranking(ranking: Ranking) -> dict[str, Any]:
    return {
        "source": ranking.source.value,
        "items": [asdict(item) for item in ranking.items],
        "blind": ranking.blind,
        "both_bad": ranking.both_bad,
        "created_at": ranking.created_at.isoformat(),
    }
