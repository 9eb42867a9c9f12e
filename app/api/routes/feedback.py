"""Routes of feedback: rate, rank, correct, compare, and what became of a judgement."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.deps import Languages, ServicesDep, UserId
from app.api.feedback_schemas import (
    Compare,
    Compared,
    Correct,
    Corrected,
    JudgementPublic,
    Rank,
    Rate,
    judgement_json,
)
from app.api.schemas import Id, MessagePublic, RankingPublic, RatingPublic, message_json, ranking_json, rating_json
from app.chat.starting import Comparison, ReplyOptions

router = APIRouter(prefix="/api", tags=["feedback"])


@router.put("/messages/{message_id}/rating")
async def rate(user_id: UserId, services: ServicesDep, message_id: Id, body: Rate) -> RatingPublic:
    """Rate a reply: ``up``, ``down``, or ``retracted`` to withdraw the rating. The latest rating counts."""
    rating = await services.feedback.rate(user_id, message_id, body.verdict, body.reasons, body.comment, body.score)
    return RatingPublic(**rating_json(rating))


@router.post("/messages/{message_id}/correction", status_code=201)
async def correct(user_id: UserId, services: ServicesDep, message_id: Id, body: Correct) -> Corrected:
    """Correct a reply: the text becomes another version of it, ranked above the original."""
    message, ranking = await services.feedback.correct(user_id, message_id, body.content)
    return Corrected(
        message=MessagePublic(**message_json(message)), ranking=RankingPublic.model_validate(ranking_json(ranking))
    )


@router.get("/messages/{message_id}/judgements")
async def judgements(user_id: UserId, services: ServicesDep, message_id: Id) -> list[JudgementPublic]:
    """The current judgements of a reply, and what became of each: the rows of training data, or why it gives none."""
    found = await services.feedback.judgements(user_id, message_id)
    return [JudgementPublic.model_validate(judgement_json(outcome)) for outcome in found]


@router.post("/rankings", status_code=201)
async def rank(user_id: UserId, services: ServicesDep, body: Rank) -> RankingPublic:
    """Rank replies to one question; equal ranks are ties. The latest ranking of the same replies counts."""
    ranking = await services.feedback.rank(
        user_id, body.source, body.replies(), blind=body.blind, both_bad=body.both_bad
    )
    return RankingPublic.model_validate(ranking_json(ranking))


@router.delete("/rankings/{ranking_id}")
async def withdraw_ranking(user_id: UserId, services: ServicesDep, ranking_id: Id) -> RankingPublic:
    """Withdraw a ranking, also one that is still open."""
    return RankingPublic.model_validate(ranking_json(await services.feedback.withdraw_ranking(user_id, ranking_id)))


@router.post("/conversations/{conversation_id}/compare", status_code=201)
async def compare(
    user_id: UserId, services: ServicesDep, languages: Languages, conversation_id: Id, body: Compare
) -> Compared:
    """Start several replies to one question, to be ranked when they have ended. Their texts arrive as events."""
    contenders = tuple(
        ReplyOptions(each.model_id, each.sampling.overrides() if each.sampling else None, languages)
        for each in body.contenders
    )
    comparison = Comparison(contenders, body.source, body.blind)
    chat = services.chat
    if body.message_id is not None:
        started = await chat.compare_again(user_id, conversation_id, body.message_id, comparison)
    else:
        started = await chat.compare(user_id, conversation_id, body.parent_id, body.content or "", comparison)
    return Compared(
        question=MessagePublic(**message_json(started.question)) if started.question else None,
        replies=[MessagePublic(**message_json(running.message)) for running in started.running],
        ranking=RankingPublic.model_validate(ranking_json(started.ranking)),
    )
