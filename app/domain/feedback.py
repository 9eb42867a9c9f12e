"""The feedback log: ratings and rankings of replies. Append-only: what is changed or withdrawn is written anew.

Which judgements count now is decided here, what becomes of them in :mod:`app.domain.training_rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.messages import Conversation, Message


class Verdict(StrEnum):
    """A thumb up or down. ``retracted`` cancels an earlier one."""

    UP = "up"
    DOWN = "down"
    RETRACTED = "retracted"


# Reasons of a thumb. Front ends translate them.
REASONS_UP = ("correct", "helpful", "clear", "concise", "thorough", "creative")
REASONS_DOWN = ("wrong", "off_topic", "too_long", "too_short", "unsafe", "repeats", "language", "format", "other")
REASONS = (*REASONS_UP, *REASONS_DOWN)
MAX_SCORE = 10


@dataclass(frozen=True, slots=True)
class Rating:
    """One rating of one message. The latest per rater and message counts."""

    id: str
    message_id: str
    user_id: str
    verdict: Verdict
    reasons: tuple[str, ...]
    comment: str
    score: int | None  # 1 … 10
    created_at: datetime  # UTC


class RankingSource(StrEnum):
    """On which occasion replies were ranked."""

    REGENERATE = "regenerate"  # better, same or worse than the version before
    SIDE_BY_SIDE = "side_by_side"
    RANKING = "ranking"  # several samples of one prompt
    CORRECTION = "correction"  # a person's edited reply above the original
    BEST_OF_N = "best_of_n"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class RankedReply:
    """A reply's place in a ranking."""

    message_id: str
    rank: int | None  # 1 is best, equal ranks are ties; None: shown, not yet ranked
    position: int | None = None  # where it was shown, from 0 (left or first); None: not shown side by side
    settings: Mapping[str, object] = field(default_factory=dict)  # what was shown of the model and its settings


@dataclass(frozen=True, slots=True)
class Ranking:
    """One order of replies to the same prompt. The latest per rater and set of replies counts.

    Without ranks it is *open*: the replies were shown side by side, and nobody has chosen yet.
    """

    id: str
    user_id: str
    conversation_id: str
    prompt_id: str | None  # the message that the replies answer
    source: RankingSource
    items: tuple[RankedReply, ...]  # best first, equal ones by position
    blind: bool  # the models were hidden until the choice
    both_bad: bool  # none of them is good; not the same as a tie
    withdrawn: bool
    created_at: datetime  # UTC

    @property
    def message_ids(self) -> frozenset[str]:
        """The replies that were ranked."""
        return frozenset(item.message_id for item in self.items)

    @property
    def is_open(self) -> bool:
        """Whether the replies still wait to be ranked."""
        return not self.withdrawn and not self.both_bad and any(item.rank is None for item in self.items)


Judgement = Rating | Ranking


class Decision(StrEnum):
    """What an administrator decided about a judgement. ``open`` cancels an earlier decision."""

    ACCEPTED = "accepted"
    EXCLUDED = "excluded"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Review:
    """One decision about a rating or a ranking. The latest one per judgement counts."""

    id: str
    judgement_id: str  # of a rating or a ranking
    reviewer_id: str
    decision: Decision
    note: str
    created_at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class ConversationFeedback:
    """A conversation with all its messages, and all judgements of its replies in the order in which they were given."""

    conversation: Conversation
    messages: tuple[Message, ...]
    ratings: tuple[Rating, ...] = ()
    rankings: tuple[Ranking, ...] = ()
    reviews: tuple[Review, ...] = ()

    @property
    def newest_at(self) -> datetime | None:
        """When the latest judgement was given; ``None`` if there is none."""
        times = [rating.created_at for rating in self.ratings] + [ranking.created_at for ranking in self.rankings]
        return max(times, default=None)


def current_ratings(ratings: Iterable[Rating]) -> list[Rating]:
    """The latest rating of each rater and message, in the order in which they were given; retracted ones too."""
    latest: dict[tuple[str, str], Rating] = {}
    for rating in ratings:
        key = rating.message_id, rating.user_id
        latest.pop(key, None)
        latest[key] = rating
    return list(latest.values())


def current_rankings(rankings: Iterable[Ranking]) -> list[Ranking]:
    """The latest ranking of each rater and set of replies, oldest first; withdrawn ones, too."""
    latest: dict[tuple[str, frozenset[str]], Ranking] = {}
    for ranking in rankings:
        key = ranking.user_id, ranking.message_ids
        latest.pop(key, None)
        latest[key] = ranking
    return list(latest.values())


def current_reviews(reviews: Iterable[Review]) -> dict[str, Review]:
    """The latest review of each judgement, by its id; without those that were cancelled."""
    latest = {review.judgement_id: review for review in reviews}
    return {key: review for key, review in latest.items() if review.decision is not Decision.OPEN}


def ranked(items: Sequence[RankedReply]) -> tuple[RankedReply, ...]:
    """`items` as a ranking stores them: dense ranks from 1, best first, equal ones by position.

    Ranks ``[3, 1, 3]`` become ``[2, 1, 2]``. Items without rank come last.
    """
    given = sorted({item.rank for item in items if item.rank is not None})
    dense = {rank: place for place, rank in enumerate(given, 1)}
    found = [
        RankedReply(item.message_id, dense[item.rank] if item.rank is not None else None, item.position, item.settings)
        for item in items
    ]
    last = len(found) + 1
    return tuple(sorted(found, key=lambda item: (item.rank or last, item.position or 0, item.message_id)))
