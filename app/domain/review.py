"""What an administrator looks through: current judgements with what they are about, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from app.domain.feedback import Decision, RankingSource

Kind = Literal["up", "down", "regenerate", "side_by_side", "ranking", "correction", "best_of_n", "import"]
KINDS: tuple[str, ...] = get_args(Kind)
assert set(KINDS) == {"up", "down", *RankingSource}, "a judgement's kind is a thumb or a ranking's source"


@dataclass(frozen=True, slots=True)
class JudgementFilter:
    """Which judgements to list; those that meet all conditions given. ``None`` and false are no condition."""

    player: str | None = None  # a model reference, or ``import:name``
    adapter: str | None = None
    rater_id: str | None = None
    reason: str | None = None
    kind: str | None = None
    language: str | None = None
    since: datetime | None = None
    until: datetime | None = None  # exclusive
    decision: Decision | None = None
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class JudgedText:
    """A reply in a listed judgement."""

    message_id: str
    player: str | None  # None: a person's text
    text: str  # in lists only its beginning
    rank: int | None
    position: int | None


@dataclass(frozen=True, slots=True)
class ListedJudgement:
    """A current judgement with what a reviewer needs to decide about it."""

    id: str
    kind: str
    judged_at: datetime
    rater_id: str
    rater_name: str
    conversation_id: str
    title: str
    language: str
    question: str  # in lists only its beginning
    replies: tuple[JudgedText, ...]  # in the order in which they were shown, else best first
    reasons: tuple[str, ...]
    comment: str
    score: int | None
    blind: bool
    both_bad: bool
    disputed: bool
    decision: Decision
    note: str  # of the decision


@dataclass(frozen=True, slots=True)
class JudgementPage:
    """Some judgements, the newest first, and where the next ones begin; ``None`` at the end."""

    items: tuple[ListedJudgement, ...]
    next_cursor: str | None
