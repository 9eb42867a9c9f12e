"""Routes of messages: ask, edit, regenerate, continue, stop."""

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
    Regenerate,
    Replied,
    SamplingOverrides,
    message_json,
)
from app.chat.service import StartedReply
from app.chat.starting import ReplyOptions

router = APIRouter(prefix="/api", tags=["messages"])

Accept = Annotated[str, Header(max_length=400)]
ALSO_EVENTS: dict[int | str, dict[str, Any]] = {201: sse.EVENT_STREAM}


@router.post("/conversations/{conversation_id}/messages", status_code=201, response_model=Asked, responses=ALSO_EVENTS)
async def ask(
    user_id: UserId,
    services: ServicesDep,
    languages: Languages,
    conversation_id: Id,
    body: Ask,
    accept: Accept = "",
) -> Response:
    """Send a user message and start the reply. Returns when both messages are stored; the text arrives as events.

    With ``Accept: text/event-stream`` the response is the stream of the reply's events, up to its end.
    """
    options = _options(body.model_id, body.sampling, languages)
    return _response(
        services, accept, await services.chat.ask(user_id, conversation_id, body.parent_id, body.content, options)
    )


@router.post("/messages/{message_id}/edit", status_code=201, response_model=Asked, responses=ALSO_EVENTS)
async def edit(
    user_id: UserId, services: ServicesDep, languages: Languages, message_id: Id, body: Edit, accept: Accept = ""
) -> Response:
    """Edit a question: store it as a new branch beside the old one, and start the reply."""
    options = _options(body.model_id, body.sampling, languages)
    return _response(services, accept, await services.chat.edit(user_id, message_id, body.content, options))


@router.post("/messages/{message_id}/regenerate", status_code=201, response_model=Replied, responses=ALSO_EVENTS)
async def regenerate(
    user_id: UserId,
    services: ServicesDep,
    languages: Languages,
    message_id: Id,
    body: Regenerate | None = None,
    accept: Accept = "",
) -> Response:
    """Generate another version of a reply; the existing versions are kept."""
    body = body or Regenerate()
    options = _options(body.model_id, body.sampling, languages)
    return _response(services, accept, await services.chat.regenerate(user_id, message_id, options))


@router.post("/messages/{message_id}/continue", status_code=201, response_model=Replied, responses=ALSO_EVENTS)
async def continue_reply(
    user_id: UserId, services: ServicesDep, languages: Languages, message_id: Id, accept: Accept = ""
) -> Response:
    """Continue a reply that was cut off: generate a new version that starts with its text."""
    return _response(
        services, accept, await services.chat.continue_reply(user_id, message_id, _options(None, None, languages))
    )


@router.post("/messages/{message_id}/stop")
async def stop(user_id: UserId, services: ServicesDep, message_id: Id) -> MessagePublic:
    """Stop a running reply. Returns when it has ended and is stored."""
    return MessagePublic(**message_json(await services.chat.stop(user_id, message_id)))


def _options(model_id: str | None, sampling: SamplingOverrides | None, languages: tuple[str, ...]) -> ReplyOptions:
    return ReplyOptions(model_id, sampling.overrides() if sampling else None, languages)


def _response(services: Services, accept: str, started: StartedReply) -> Response:
    """The stored messages as JSON, or the reply's events if the client accepts an event stream."""
    if sse.MEDIA_TYPE in accept:
        return sse.response(sse.encoded(services.chat.follow(started)), status_code=201)
    body: dict[str, Any] = {"reply": message_json(started.reply)}
    if started.question is not None:
        body["question"] = message_json(started.question)
    return JSONResponse(body, status_code=201)
