"""Models: what there is, what state it is in, fetching, loading, and events about all of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from app.api import sse
from app.api.deps import Languages, ServicesDep, UserId
from app.api.model_json import event_json, listing_json, model_json
from app.api.schemas import ModelRef, PullByName, PullStarted
from app.models.service import ModelService

router = APIRouter(prefix="/api/models", tags=["models"])


@router.get("")
async def list_models(_: UserId, parts: ServicesDep, languages: Languages) -> dict[str, Any]:
    """All models with their state (fetched? loading? how much memory, does it fit?), and the machine's memory."""
    return listing_json(await asyncio.to_thread(parts.models.listing, languages), languages)


@router.get("/events", response_class=StreamingResponse, responses={200: sse.DESCRIBED})
async def watch_models(
    _: UserId,
    parts: ServicesDep,
    languages: Languages,
    language: Annotated[str | None, Query(max_length=35, pattern="^[A-Za-z0-9-]+$")] = None,
) -> StreamingResponse:
    """The list of models, then what changes in it, as server-sent events (see docs/api.md).

    `language` takes precedence over ``Accept-Language``, which a browser's EventSource can't set.
    """
    wanted = (language, *languages) if language else languages
    return sse.response(_events(parts.models, wanted, parts.settings.heartbeat_s))


async def _events(models: ModelService, languages: tuple[str, ...], heartbeat_s: float) -> AsyncIterator[bytes]:
    async with aclosing(models.subscribe(languages, heartbeat_s)) as subscription:
        async for event in subscription:
            yield sse.HEARTBEAT if event is None else sse.encode(*event_json(event, languages))


@router.post("/pull", status_code=202)
async def pull_by_name(_: UserId, parts: ServicesDep, body: PullByName) -> PullStarted:
    """Start fetching any model of the hub. Answers once the hub has said what it is, or with why it can't be had."""
    return PullStarted(id=await parts.models.start_fetch_by_name(body.source))


@router.get("/{model_id}")
async def get_model(_: UserId, parts: ServicesDep, model_id: ModelRef, languages: Languages) -> dict[str, Any]:
    """One model, as in the list; with ``@quantization`` behind its id, as it is when loaded so."""
    return model_json(await asyncio.to_thread(parts.models.show, model_id, languages), languages)


@router.post("/{model_id}/pull", status_code=202, response_class=Response)
async def pull(_: UserId, parts: ServicesDep, model_id: ModelRef) -> Response:
    """Start fetching a model; its state tells the progress. Does nothing when it is being fetched already."""
    parts.models.start_fetch(model_id)
    return Response(status_code=202)


@router.delete("/{model_id}/pull", status_code=204)
async def cancel_pull(_: UserId, parts: ServicesDep, model_id: ModelRef) -> Response:
    """Stop fetching; what came is kept for the next time where the source allows it. Forget what failed to arrive."""
    parts.models.cancel_fetch(model_id)
    return Response(status_code=204)


@router.post("/{model_id}/load", status_code=204)
async def load(_: UserId, parts: ServicesDep, model_id: ModelRef) -> Response:
    """Load a model into memory; answers once it is ready."""
    await parts.models.load(model_id)
    return Response(status_code=204)


@router.post("/{model_id}/unload", status_code=204)
async def unload(_: UserId, parts: ServicesDep, model_id: ModelRef) -> Response:
    """Free a model's memory. 409 while it is answering."""
    await parts.models.unload(model_id)
    return Response(status_code=204)
