"""Judgements of replies, and what they are worth as training data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """A thumb. ``retracted`` takes an earlier one back."""

    UP = "up"
    DOWN = "down"
    RETRACTED = "retracted"


# Why a reply was not good. Front ends name these in the reader's language.
REASONS = ("wrong", "off_topic", "too_long", "too_short", "unsafe", "repeats", "language", "format", "other")


@dataclass(frozen=True, slots=True)
class Rating:
    """One judgement of one message. Append-only: the latest per rater and message counts."""

    id: str
    message_id: str
    user_id: str
    verdict: Verdict
    reasons: tuple[str, ...]
    comment: str
    score: int | None  # 1 … 10
    created_at: datetime  # UTC
