"""Replies in current judgements, without their texts: what lists, statistics and the leaderboard need of them.

The store keeps these values beside the log, so that nobody has to read a million messages to count votes.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import NamedTuple

IMPORTED = "import:"  # begins the player of an imported reply, whose model is only what its file names


def player_of(model_id: str | None, adapter: str | None, imported_model: str | None) -> str | None:
    """Who wrote a reply: ``base@variant+adapter``, or ``import:name``; ``None`` for a person."""
    if model_id:
        return f"{model_id}+{adapter}" if adapter else model_id
    return f"{IMPORTED}{imported_model}" if imported_model else None


def prompt_key(question: str, system_prompt: str, dropped_turns: int) -> str:
    """Equal for replies to the same question that were written for the same prompt; 32 hexadecimal digits."""
    read = "\0".join((question, system_prompt, str(dropped_turns)))
    return hashlib.blake2b(read.encode(errors="replace"), digest_size=16).hexdigest()


class JudgedPair(NamedTuple):
    """Two replies to the same prompt as one rater judged them: in one ranking, or by one thumb up and one down.

    A tuple, since there are hundreds of thousands. `left` is only a name.
    """

    judgement_id: str  # of two thumbs, the later one
    kind: str  # the source of the ranking, or "ratings"
    rater_id: str
    judged_at: datetime  # UTC
    prompt_id: str | None  # the message that both answer
    prompt: str  # see :func:`prompt_key`
    language: str  # of the question
    blind: bool
    both_bad: bool
    left_id: str  # of the message
    right_id: str
    left: str  # player
    right: str
    left_rank: int | None  # 1 is best; of thumbs, 1 and 2
    right_rank: int | None
    left_position: int | None
    right_position: int | None
    left_characters: int
    right_characters: int
