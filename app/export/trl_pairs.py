"""TRL's preference pairs: a liked and a disliked reply to the same prompt per row, for reward models and DPO.

Trainers read ``prompt``, ``chosen`` and ``rejected`` and ignore the other columns. ``weight`` is 1 divided by the
number of pairs of its prompt, so that a prompt with many rated replies does not outweigh the others; TRL has no
weights of its own, so filter or resample by it. Column names and types: see :mod:`app.export.trl_unpaired`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.domain.feedback import Drops, Pair, RatedConversation, pairs
from app.export.base import Row, chat, origin, reply, time


@dataclass(frozen=True, slots=True)
class TrlPairs:
    """The format of this module."""

    name: str = "trl_pairs"
    description: str = "Liked and disliked versions of a reply: prompt, chosen, rejected. For reward models and DPO."

    def rows(self, conversations: Iterable[RatedConversation], drops: Drops) -> Iterator[Row]:
        """One row per pair, by conversation, time of the chosen and time of the rejected reply."""
        return (_row(pair) for pair in pairs(conversations, drops))


def _row(pair: Pair) -> Row:
    chosen, rejected = pair.chosen, pair.rejected
    return {
        "prompt": chat(chosen.prompt),
        "chosen": reply(chosen.message),
        "rejected": reply(rejected.message),
        "weight": pair.weight,
        "conversation_id": chosen.message.conversation_id,
        "chosen_id": chosen.message.id,
        "rejected_id": rejected.message.id,
        **origin(chosen.message, "chosen_"),
        **origin(rejected.message, "rejected_"),
        "rated_at": time(max(chosen.rating.created_at, rejected.rating.created_at)),
        "reasons": ",".join(rejected.rating.reasons),
        "comment": rejected.rating.comment,
    }


FORMAT = TrlPairs()
