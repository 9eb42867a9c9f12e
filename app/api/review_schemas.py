"""Request and response bodies of the review, its statistics and the leaderboard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from app.api.schemas import Request, ShortText
from app.domain.feedback import Decision
from app.domain.review import JudgedText, ListedJudgement
from app.feedback.agreement import Agreement
from app.feedback.intervals import Share
from app.feedback.leaderboard.result import Leaderboard
from app.feedback.outcomes import Outcome
from app.feedback.statistics import Statistics


class Decide(Request):
    """A decision about a judgement; ``open`` takes an earlier one back."""

    decision: Decision
    note: ShortText = ""


class JudgedReplyPublic(BaseModel):
    """A reply that was judged. `player` is ``null`` for a text written by a person."""

    message_id: str
    player: str | None
    text: str
    rank: int | None
    position: int | None


class ReviewedPublic(BaseModel):
    """A judgement as a reviewer sees it; in lists texts are cut."""

    id: str
    kind: str
    judged_at: datetime
    rater: dict[Literal["id", "name"], str]
    conversation_id: str
    title: str
    language: str
    question: str
    replies: list[JudgedReplyPublic]
    reasons: list[str]
    comment: str
    score: int | None
    blind: bool
    both_bad: bool
    disputed: bool
    decision: str
    note: str


class ReviewedDetail(ReviewedPublic):
    """A judgement with whole texts, the training rows that it is part of, and why it is not part of others."""

    rows: list[str]
    dropped: dict[str, str]


class JudgementList(BaseModel):
    """A page of judgements, and the cursor for the next one."""

    items: list[ReviewedPublic]
    next_cursor: str | None


def reviewed_json(judgement: ListedJudgement) -> dict[str, Any]:
    """The fields of :class:`ReviewedPublic`."""
    fields = {
        name: getattr(judgement, name) for name in ReviewedPublic.model_fields if name not in ("rater", "replies")
    }
    rater = {"id": judgement.rater_id, "name": judgement.rater_name}
    return {**fields, "rater": rater, "replies": [_reply_json(reply) for reply in judgement.replies]}


def detail_json(judgement: ListedJudgement, outcome: Outcome | None) -> dict[str, Any]:
    """The fields of :class:`ReviewedDetail`."""
    rows = [kind.value for kind in outcome.rows] if outcome else []
    dropped = {kind.value: reason.value for kind, reason in outcome.dropped.items()} if outcome else {}
    return {**reviewed_json(judgement), "rows": rows, "dropped": dropped}


def _reply_json(reply: JudgedText) -> dict[str, Any]:
    return {name: getattr(reply, name) for name in JudgedReplyPublic.model_fields}


def statistics_json(found: Statistics) -> dict[str, Any]:
    """The statistics; every share with its count, total and 95 % interval."""
    counts = found.counts
    return {
        "judgements": counts.judgements,
        "withheld": counts.withheld,
        "decisions": {decision.value: counts.decisions.get(decision.value, 0) for decision in Decision},
        "days": [asdict(day) for day in counts.days],
        "players": [
            {"player": each.player, "up": _share_json(each.up), "judged": _share_json(each.judged)}
            for each in found.players
        ],
        "reasons": {"up": _counts_json(found.reasons_up), "down": _counts_json(found.reasons_down)},
        "lengths": [{"from_characters": each.from_characters, "up": _share_json(each.up)} for each in found.lengths],
        "longer_won": _share_json(found.longer_won),
        "first_won": _share_json(found.first_won),
        "agreement": {
            "thumbs": _agreement_json(found.thumbs_agreement),
            "order": _agreement_json(found.order_agreement),
        },
        "judged": _share_json(found.judged),
        "raters": [{"id": id_, "name": name, "judgements": count} for id_, name, count in counts.raters],
        "kinds": _counts_json(counts.kinds.items()),
        "languages": _counts_json(counts.languages.items()),
        "adapters": _counts_json(counts.adapters.items()),
    }


def _share_json(share: Share) -> dict[str, Any]:
    return {"count": share.count, "of": share.of, "value": share.value, "low": share.low, "high": share.high}


def _agreement_json(found: Agreement) -> dict[str, Any]:
    return {"alpha": found.alpha, "units": found.units, "judgements": found.judgements}


def _counts_json(counted: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"name": name, "count": count} for name, count in counted]


def leaderboard_json(found: Leaderboard) -> dict[str, Any]:
    """The leaderboard; ratings are points as of Elo, intervals are 95 %."""
    return asdict(found)
