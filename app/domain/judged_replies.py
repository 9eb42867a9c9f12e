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


class JudgedReply(NamedTuple):
    """The fields of a reply in a current judgement.

    What a `number` says never changes: whatever changes gets a new one, and no number is given again.
    """

    number: int
    judgement_id: str
    kind: str  # "up", "down", or the source of a ranking
    rater_id: str
    judged_at: datetime  # UTC
    prompt_id: str | None  # the message that it answers
    message_id: str
    rank: int | None  # 1 is best
    position: int | None  # where it was shown, from 0
    blind: bool
    both_bad: bool
    reasons: str  # of a thumb: ",wrong,too_long,", or ""
    player: str | None  # see :func:`player_of`
    adapter: str | None
    complete: bool  # it ended by itself and is not empty
    characters: int
    language: str  # of the question
    prompt: str  # see :func:`prompt_key`
    decision: str  # the latest review's


class Block(NamedTuple):
    """The judged replies whose numbers have the same quotient. Equal blocks contain the same replies."""

    replies: int
    last: int  # the highest number
