"""Request and response bodies of feedback: ratings, rankings, corrections, and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from app.api.schemas import (
    Content,
    Id,
    MessagePublic,
    ModelRef,
    RankingPublic,
    RatingPublic,
    Request,
    SamplingOverrides,
    ShortText,
    ranking_json,
    rating_json,
)
from app.domain.feedback import REASONS, RankedReply, Ranking, RankingSource, Rating, Verdict
from app.domain.limits import MAX_RANKED_REPLIES
from app.feedback.outcomes import Outcome

MAX_CONTENDERS = 4
_Place = Annotated[int, Field(ge=1, le=MAX_RANKED_REPLIES)]
_Position = Annotated[int, Field(ge=0, lt=MAX_RANKED_REPLIES)]
_Source = Literal[RankingSource.REGENERATE, RankingSource.SIDE_BY_SIDE, RankingSource.RANKING]


class Rate(Request):
    """A rating of a reply."""

    verdict: Verdict
    reasons: list[Literal[REASONS]] = Field(default=[], max_length=len(REASONS))  # type: ignore[valid-type]
    comment: ShortText = ""
    score: int | None = Field(None, ge=1, le=10)


class RankedItem(Request):
    """A reply's rank (1 is best, equal ranks are ties), and where it was shown, from 0 (left)."""

    message_id: Id
    rank: _Place | None = None
    position: _Position | None = None


class Rank(Request):
    """A ranking of two or more replies to the same question."""

    source: _Source
    items: list[RankedItem] = Field(min_length=2, max_length=MAX_RANKED_REPLIES)
    blind: bool = False
    both_bad: bool = False

    def replies(self) -> list[RankedReply]:
        """The items as domain values."""
        return [RankedReply(item.message_id, item.rank, item.position) for item in self.items]


class Correct(Request):
    """What a reply should have said."""

    content: Content


class Contender(Request):
    """Who answers in a comparison; defaults are the conversation's settings."""

    model_id: ModelRef | None = None
    sampling: SamplingOverrides | None = None


class Compare(Request):
    """Several replies to a new question (`content`, after `parent_id`), or to one already asked (`message_id`)."""

    content: Content | None = None
    parent_id: Id | None = None
    message_id: Id | None = None
    contenders: list[Contender] = Field(min_length=2, max_length=MAX_CONTENDERS)
    blind: bool = True
    source: Literal[RankingSource.SIDE_BY_SIDE, RankingSource.RANKING] = RankingSource.SIDE_BY_SIDE


class Corrected(BaseModel):
    """The corrected version of a reply, and the ranking that puts it above the original."""

    message: MessagePublic
    ranking: RankingPublic


class Compared(BaseModel):
    """Replies that are being generated to be compared, in the order in which they are shown."""

    question: MessagePublic | None
    replies: list[MessagePublic]
    ranking: RankingPublic


class JudgementPublic(BaseModel):
    """A judgement of a reply, the kinds of rows and the datasets that it is part of, and why it is in no others."""

    id: str
    kind: Literal["rating", "ranking"]
    rating: RatingPublic | None
    ranking: RankingPublic | None
    created_at: datetime
    rows: list[str]
    dropped: dict[str, str]
    decision: str | None
    datasets: list[str]


def judgement_json(outcome: Outcome) -> dict[str, Any]:
    """The fields of :class:`JudgementPublic` as a JSON-ready dictionary."""
    judgement = outcome.judgement
    return {
        "id": judgement.id,
        "kind": "rating" if isinstance(judgement, Rating) else "ranking",
        "rating": rating_json(judgement) if isinstance(judgement, Rating) else None,
        "ranking": ranking_json(judgement) if isinstance(judgement, Ranking) else None,
        "created_at": judgement.created_at.isoformat(),
        "rows": [kind.value for kind in outcome.rows],
        "dropped": {kind.value: reason.value for kind, reason in outcome.dropped.items()},
        "datasets": list(outcome.datasets),
        "decision": outcome.review.decision.value if outcome.review else None,
    }
