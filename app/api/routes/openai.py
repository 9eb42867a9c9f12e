"""OpenAI-compatible routes, for other programs. Nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from app.api import openai_response, sse
from app.api.deps import Services, ServicesDep, UserId
from app.api.disconnect import cancel_on_disconnect
from app.api.openai_request import ChatRequest
from app.chat.completion import Completion, WholeReply, read_whole
from app.errors import ModelNotFound

router = APIRouter(tags=["openai"])
_ALLOWED = {"chat/completions": "POST", "models": "GET, HEAD"}
_ADDRESSES = "There are POST /v1/chat/completions, GET /v1/models and GET /v1/models/{id}."
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@router.get("/v1/models")
@router.get("/v1/models/", include_in_schema=False)
@router.head("/v1/models", include_in_schema=False)
async def list_models(_: UserId, services: ServicesDep) -> dict[str, Any]:
    """List downloaded chat models, with the variants and adapters to add to the id (``@nf4``, ``+adapter``)."""
    return {"object": "list", "data": [openai_response.model_json(m) for m in services.models.ready_models()]}


@router.get("/v1/models/{model_id:path}")
@router.head("/v1/models/{model_id:path}", include_in_schema=False)
async def get_model(model_id: str, _: UserId, services: ServicesDep) -> dict[str, Any]:
    """One downloaded chat model; a variant and an adapter may be part of the id."""
    manifest = services.models.get(model_id)
    if manifest.base_id not in {m.base_id for m in services.models.ready_models()}:
        text = f"{manifest.title} is not on this computer; GET /v1/models lists the models that are."
        raise ModelNotFound(text, model_id=model_id)
    return openai_response.model_json(manifest) | {"id": model_id}


@router.post("/v1/chat/completions", response_model=None, responses={200: sse.EVENT_STREAM})
@router.post("/v1/chat/completions/", response_model=None, include_in_schema=False)
async def chat_completions(user_id: UserId, services: ServicesDep, request: Request, body: ChatRequest) -> Response:
    """Generate replies to the messages, as one response or as a stream."""
    body.refuse_unsupported()
    opened = _opened(user_id, services, body)
    if body.stream:
        return await _stream(services, request, body, opened)
    replies = await cancel_on_disconnect(request, _all([read_whole(one) for one in opened]))
    return JSONResponse(openai_response.whole(replies, _offer(body)))


def _opened(user_id: str, services: Services, body: ChatRequest) -> list[AbstractAsyncContextManager[Completion]]:
    """One completion for each choice."""
    turns, prefill = body.turns()
    completions, options = services.completions, body.options()
    must_continue = bool(body.continue_final_message)
    return [
        completions.open(
            user_id,
            body.model or None,
            turns,
            body.overrides(choice),
            prefill=prefill,
            must_continue=must_continue,
            options=options,
        )
        for choice in range(body.n)
    ]


def _offer(body: ChatRequest) -> openai_response.Offer:
    return openai_response.Offer(body.offered(), body.parallel_tool_calls is not False)


async def _all(replies: Sequence[Coroutine[Any, Any, WholeReply]]) -> list[WholeReply]:
    """The results of all; the first error cancels the others."""
    tasks = [asyncio.ensure_future(reply) for reply in replies]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stream(
    services: Services,
    request: Request,
    body: ChatRequest,
    opened: list[AbstractAsyncContextManager[Completion]],
) -> Response:
    """Errors raised here come before the stream commits status 200; the stream then owns the model leases."""

    async def enter() -> list[Completion]:
        return [await stack.enter_async_context(one) for one in opened]

    async with AsyncExitStack() as stack:
        completions = await cancel_on_disconnect(request, enter())
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        chunks = openai_response.chunks(
            completions, _offer(body), with_usage=with_usage, heartbeat_s=services.settings.heartbeat_s
        )
        return sse.OwningStream(chunks, stack.pop_all())


async def refuse_other_addresses(_: UserId, request: Request, path: str = "") -> None:
    """Say which addresses there are: programs are configured with half of one, or ask for more than chat.

    Without it the page, mounted at ``/``, would answer.
    """
    asked = path.strip("/")
    allowed = _ALLOWED.get("models" if asked.startswith("models/") else asked)
    if allowed:
        text = f"/v1/{asked[:80]} does not take {request.method}; use {allowed}."
        raise HTTPException(405, text, headers={"Allow": allowed})
    raise HTTPException(404, f"There is no /v1/{asked[:80]} here. {_ADDRESSES}")


async def refuse_without_version(_: UserId) -> None:
    """Say what lacks where the base URL was set without ``/v1``, as for some other servers."""
    raise HTTPException(404, f"Parley's OpenAI API is at /v1: end the base URL of your program with it. {_ADDRESSES}")


for _other in ("/v1", "/v1/{path:path}"):  # after all others: the first that matches answers
    router.add_api_route(_other, refuse_other_addresses, methods=_METHODS, include_in_schema=False)
for _bare in ("/chat/completions", "/completions", "/embeddings", "/models"):
    router.add_api_route(_bare, refuse_without_version, methods=_METHODS, include_in_schema=False)
