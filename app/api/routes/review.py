"""Routes of the review: list judgements, decide about them, statistics, leaderboard. For administrators."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from app.api.deps import AdminId, ServicesDep
from app.api.review_schemas import (
    Decide,
    JudgementList,
    ReviewedDetail,
    ReviewedPublic,
    detail_json,
    leaderboard_json,
    reviewed_json,
    statistics_json,
)
from app.api.schemas import Id, ModelRef, Text
from app.domain.feedback import REASONS, Decision, RankingSource
from app.domain.review import JudgementFilter, Kind
from app.feedback.leaderboard.comparison import Filter

router = APIRouter(prefix="/api/feedback", tags=["review"])

MAX_LISTED = 100
Language = Annotated[Text, Query(max_length=8)]


async def _filter(
    model: Annotated[ModelRef | None, Query(description="A reply is by this model: ID@VARIANT+ADAPTER.")] = None,
    adapter: Annotated[Text | None, Query(max_length=200)] = None,
    rater: Annotated[Id | None, Query()] = None,
    reason: Annotated[Literal[REASONS] | None, Query()] = None,  # type: ignore[valid-type]
    kind: Annotated[Kind | None, Query()] = None,
    language: Annotated[Language | None, Query(description="Of the question, such as `zh`.")] = None,
    since: Annotated[AwareDatetime | None, Query()] = None,
    until: Annotated[AwareDatetime | None, Query(description="Exclusive.")] = None,
    decision: Annotated[Decision | None, Query()] = None,
    disagreement: Annotated[bool, Query(description="Only where another rater says the opposite.")] = False,
) -> JudgementFilter:
    return JudgementFilter(model, adapter, rater, reason, kind, language, since, until, decision, disagreement)


@router.get("/judgements")
async def list_judgements(
    user_id: AdminId,
    services: ServicesDep,
    where: Annotated[JudgementFilter, Depends(_filter)],
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50,
    cursor: Annotated[Text | None, Query(max_length=100)] = None,
) -> JudgementList:
    """List the current judgements that meet all conditions, the newest first, with the beginnings of their texts."""
    page = await services.review.judgements(where, limit=limit, cursor=cursor)
    items = [ReviewedPublic.model_validate(reviewed_json(item)) for item in page.items]
    return JudgementList(items=items, next_cursor=page.next_cursor)


@router.get("/judgements/{judgement_id}")
async def get_judgement(user_id: AdminId, services: ServicesDep, judgement_id: Id) -> ReviewedDetail:
    """Get one judgement with whole texts and what became of it."""
    return ReviewedDetail.model_validate(detail_json(*await services.review.judgement(judgement_id)))


@router.put("/judgements/{judgement_id}/review")
async def decide(user_id: AdminId, services: ServicesDep, judgement_id: Id, body: Decide) -> ReviewedPublic:
    """Accept or exclude a judgement, with a note. Excluded ones become no training data and count nowhere."""
    found = await services.review.decide(user_id, judgement_id, body.decision, body.note)
    return ReviewedPublic.model_validate(reviewed_json(found))


@router.get("/statistics")
async def get_statistics(user_id: AdminId, services: ServicesDep) -> dict[str, Any]:
    """Judgements over time, thumbs by model, reasons, bias, agreement of raters, and how much is judged."""
    return statistics_json(await services.review.statistics())


@router.get("/leaderboard")
async def get_leaderboard(
    user_id: AdminId,
    services: ServicesDep,
    language: Annotated[Language | None, Query(description="Of the question, such as `zh`.")] = None,
    source: Annotated[RankingSource | Literal["ratings"] | None, Query()] = None,
    blind: Annotated[bool, Query(description="Only comparisons whose models were hidden.")] = False,
    since: Annotated[AwareDatetime | None, Query()] = None,
    equal_length: Annotated[bool, Query(description="Rate replies as if all had the same length.")] = True,
) -> dict[str, Any]:
    """Rank the models by people's comparisons and thumbs, with intervals and what is suspicious about the votes."""
    where = Filter(language=language, source=source, blind_only=blind, since=since)
    control = {"position", "length"} if equal_length else {"position"}
    return leaderboard_json(await services.review.leaderboard(where, frozenset(control)))
