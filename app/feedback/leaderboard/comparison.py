"""The input: comparisons of two replies to the same prompt, and filters of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """Which reply a rater prefers. ``both_bad`` says nothing about which is better, so it is not a tie."""

    LEFT = "left"
    RIGHT = "right"
    TIE = "tie"
    BOTH_BAD = "both_bad"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One pair of replies as one rater judged it. Left and right are only names; neither has to come first.

    A ranking of N replies comes as its N(N-1)/2 pairs with the same `judgement_id`, each with the weight 2/N: together
    they count as N-1 votes, not as N(N-1)/2. Intervals treat the pairs of a judgement as dependent, whatever their
    weights. Changed and withdrawn judgements are left out by the caller.
    """

    judgement_id: str
    rater_id: str
    prompt_id: str  # the same for the same prompt, so that copies of a vote are found: a checksum of its text, say
    left: str
    right: str
    outcome: Outcome
    at: datetime  # UTC
    left_position_shown: int | None = None  # 0: left was shown first, 1: second, None: not side by side
    left_length: int = 0  # characters
    right_length: int = 0
    weight: float = 1.0
    blind: bool = False
    language: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which comparisons count. The default is all."""

    language: str | None = None
    source: str | None = None
    blind_only: bool = False
    since: datetime | None = None
