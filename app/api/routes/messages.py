"""Messages: ask, edit, regenerate, continue, stop, rate."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse

from app.api import sse
from app.api.deps import Languages, Services, ServicesDep, UserId
from app.api.schemas import (
    Ask,
    Asked,
    Edit,
    Id,
    MessagePublic,
    Rate,
    RatingPublic,
    Regenerate,
    Replied,
    SamplingOverrides,
    message_json,
    rating_json,
)
from app.chat.service import ReplyOptions, StartedReply

router = APIRouter(prefix="/api", tags=["messages"])

Accept = Annotated[str, Header(max_length=400)]
ALSO_EVENTS: dict[int | str, dict[str, Any]] = {201: sse.DESCRIBED}


@router.post("/conversations/{conversation_id}/messages", status_code=201, response_model=Asked, responses=ALSO_EVENTS)
async def ask(
    user_id: UserId,
    parts: ServicesDep,
    languages: Languages,
    conversation_id: Id,
    body: Ask,
    accept: Accept = "",
) -> Response:
    """Ask. Both messages are committed when this answers; the reply's text comes as events.

    With ``Accept: text/event-stream`` the answer is the reply's own events, up to its end.
    """
    options = _options(body.model_id, body.sampling, languages)
    return _answer(parts, accept, await parts.chat.ask(user_id, conversation_id, body.parent_id, body.content, options))


@router.post("/messages/{message_id}/edit", status_code=201, response_model=Asked, responses=ALSO_EVENTS)
async def edit(
    user_id: UserId, parts: ServicesDep, languages: Languages, message_id: Id, body: Edit, accept: Accept = ""
) -> Response:
    """Ask a question again in other words: a new branch beside the old one."""
    options = _options(body.model_id, body.sampling, languages)
    return _answer(parts, accept, await parts.chat.edit(user_id, message_id, body.content, options))


@router.post("/messages/{message_id}/regenerate", status_code=201, response_model=Replied, responses=ALSO_EVENTS)
async def regenerate(
    user_id: UserId,
    parts: ServicesDep,
    languages: Languages,
    message_id: Id,
    body: Regenerate | None = None,
    accept: Accept = "",
) -> Response:
    """Another version of a reply; the first one stays."""
    body = body or Regenerate()
    options = _options(body.model_id, body.sampling, languages)
    return _answer(parts, accept, await parts.chat.regenerate(user_id, message_id, options))


@router.post("/messages/{message_id}/continue", status_code=201, response_model=Replied, responses=ALSO_EVENTS)
async def continue_reply(
    user_id: UserId, parts: ServicesDep, languages: Languages, message_id: Id, accept: Accept = ""
) -> Response:
    """Go on with a reply that was cut: a new version that begins with its text."""
    return _answer(parts, accept, await parts.chat.continue_reply(user_id, message_id, _options(None, None, languages)))


@router.post("/messages/{message_id}/stop")
async def stop(user_id: UserId, parts: ServicesDep, message_id: Id) -> MessagePublic:
    """End a running reply. It has ended, and is committed, when this answers."""
    return MessagePublic(**message_json(await parts.chat.stop(user_id, message_id)))


@router.put("/messages/{message_id}/rating")
async def rate(user_id: UserId, parts: ServicesDep, message_id: Id, body: Rate) -> RatingPublic:
    """Judge a reply: ``up``, ``down``, or ``retracted`` to take it back. The latest counts."""
    rating = await parts.chat.rate(user_id, message_id, body.verdict, body.reasons, body.comment, body.score)
    return RatingPublic(**rating_json(rating))


def _options(model_id: str | None, sampling: SamplingOverrides | None, languages: tuple[str, ...]) -> ReplyOptions:
    return ReplyOptions(model_id, sampling.overrides() if sampling else None, languages)


def _answer(parts: Services, accept: str, started: StartedReply) -> Response:
    """The rows as JSON, or the reply's own events."""
    if sse.MEDIA_TYPE in accept:
        return sse.response(sse.encoded(parts.chat.follow(started)), status_code=201)
    body: dict[str, Any] = {"reply": message_json(started.reply)}
    if started.question is not None:
        body["question"] = message_json(started.question)
    return JSONResponse(body, status_code=201)
