"""TRL's unpaired preference: one rated reply per row, for KTO.

KTO reads ``prompt``, ``completion`` and ``label``; trainers ignore the other columns, which record the origin of the
row. None is named ``image`` or ``images``, which TRL would take for pictures, and none is ever null, so that readers
can infer a column's type from the first rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.domain.derivation import derive
from app.domain.feedback import ConversationFeedback
from app.domain.training_rows import Drops, Label, RowKind, Seen
from app.export.base import Row, chat, origin, reply, time


@dataclass(frozen=True, slots=True)
class TrlUnpaired:
    """The format of this module."""

    name: str = "trl_unpaired"
    description: str = "Thumbs, one rated reply per row: prompt, completion, label. For TRL's KTO."

    def rows(self, conversations: Iterable[ConversationFeedback], drops: Drops) -> Iterator[Row]:
        """One row per rated reply, by conversation and time."""
        seen = Seen()
        for conversation in conversations:
            rows = derive(conversation, seen)
            drops.update(rows.drops(RowKind.LABEL))
            yield from map(_row, rows.labels)


def _row(label: Label) -> Row:
    message, rating = label.reply.message, label.rating
    return {
        "prompt": chat(label.reply.prompt),
        "completion": reply(message),
        "label": label.liked,
        "message_id": message.id,
        "conversation_id": message.conversation_id,
        **origin(message),
        "finish_reason": message.finish_reason or "",
        "rated_at": time(rating.created_at),
        "votes_up": label.votes_up,
        "votes_down": label.votes_down,
        "score": rating.score or 0,  # 1 … 10; 0: none was given
        "reasons": ",".join(rating.reasons),
        "comment": rating.comment,
    }


FORMAT = TrlUnpaired()
