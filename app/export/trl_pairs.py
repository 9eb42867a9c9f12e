"""TRL's preference pairs: a liked and a disliked reply to the same prompt per row, for reward models and DPO.

Trainers read ``prompt``, ``chosen`` and ``rejected`` and ignore the other columns. ``weight`` is 1 divided by the
number of pairs of its prompt, so that a prompt with many rated replies does not outweigh the others; TRL has no
weights of its own, so filter or resample by it. Column names and types: see :mod:`app.export.trl_unpaired`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.domain.derivation import derive
from app.domain.feedback import ConversationFeedback
from app.domain.training_rows import Drops, Pair, RowKind, Seen
from app.export.base import Row, chat, origin, reply, time


@dataclass(frozen=True, slots=True)
class TrlPairs:
    """The format of this module."""

    name: str = "trl_pairs"
    description: str = "Liked and disliked versions of a reply: prompt, chosen, rejected. For reward models and DPO."

    def rows(self, conversations: Iterable[ConversationFeedback], drops: Drops) -> Iterator[Row]:
        """One row per pair, by conversation, time of the chosen and time of the rejected reply."""
        seen = Seen()
        for conversation in conversations:
            rows = derive(conversation, seen)
            drops.update(rows.drops(RowKind.PAIR))
            yield from map(_row, rows.pairs)


def _row(pair: Pair) -> Row:
    chosen, rejected = pair.chosen.message, pair.rejected.message
    return {
        "prompt": chat(pair.chosen.prompt),
        "chosen": reply(chosen),
        "rejected": reply(rejected),
        "weight": pair.weight,
        "source": pair.source,
        "votes_for": pair.votes_for,
        "votes_against": pair.votes_against,
        "conversation_id": chosen.conversation_id,
        "chosen_id": chosen.id,
        "rejected_id": rejected.id,
        **origin(chosen, "chosen_"),
        **origin(rejected, "rejected_"),
        "rated_at": time(pair.judged_at),
        "reasons": ",".join(pair.reasons),
        "comment": pair.comment,
    }


FORMAT = TrlPairs()
