"""What the store counts for statistics of feedback: plain numbers, from which intervals and agreement are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DayCount:
    """Judgements of one day (UTC), such as ``2026-11-27``."""

    day: str
    up: int
    down: int
    rankings: int


@dataclass(frozen=True, slots=True)
class PlayerCount:
    """Thumbs for one player, and how many of its replies were judged in any way."""

    player: str
    up: int
    down: int
    judged: int
    replies: int  # all that it wrote; 0 for imported models, whose replies nobody counts


@dataclass(frozen=True, slots=True)
class LengthCount:
    """Thumbs for replies with at least `characters` characters, and fewer than the next count's."""

    characters: int
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class PairCount:
    """How pairs of replies with a winner were decided."""

    side_by_side: int  # both were shown side by side
    first_won: int  # of these: the one shown first
    of_different_length: int
    longer_won: int


@dataclass(frozen=True, slots=True)
class FeedbackCounts:
    """Everything counted. Judgements that a review excluded count nowhere but in `decisions`."""

    days: tuple[DayCount, ...]  # oldest first, without empty ones
    players: tuple[PlayerCount, ...]
    reasons: Mapping[str, int]
    lengths: tuple[LengthCount, ...]
    pairs: PairCount
    thumbs_by_reply: tuple[tuple[Mapping[str, int], int], ...]  # (raters by thumb, how many replies have these)
    orders_by_pair: tuple[tuple[Mapping[str, int], int], ...]  # (raters by order of two replies, how many pairs)
    judged: int  # replies
    replies: int  # all that can be judged
    judgements: int
    decisions: Mapping[str, int]  # judgements by decision
    raters: tuple[tuple[str, str, int], ...]  # id, name, judgements
    kinds: Mapping[str, int]
    languages: Mapping[str, int]
    adapters: Mapping[str, int]
    withheld: int  # judgements in conversations that do not allow training, or are in the trash
