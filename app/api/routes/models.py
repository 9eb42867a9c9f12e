"""Routes of models: list, show, download, load, unload, and events of the list."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from app.api import sse
from app.api.deps import AdminId, Languages, PrincipalDep, ServicesDep, UserId
from app.api.job_json import JobPublic, job_public
from app.api.model_json import Reader, event_json, listing_json, model_json
from app.api.model_requests import ConvertModel, ImportModel, PullByName, PullStarted
from app.api.schemas import ModelRef
from app.models.service import ModelService

router = APIRouter(prefix="/api/models", tags=["models"])


async def reader(who: PrincipalDep, languages: Languages) -> Reader:
    """Who reads: administrators see where files are."""
    return Reader(languages, sees_files=who is not None and who.is_admin)


ReaderDep = Annotated[Reader, Depends(reader)]


@router.get("")
async def list_models(_: UserId, services: ServicesDep, reader: ReaderDep) -> dict[str, Any]:
    """List all models with state, memory requirement and whether they fit, and the machine's memory."""
    return listing_json(await asyncio.to_thread(services.models.listing, reader.languages), reader)


@router.get("/events", response_class=StreamingResponse, responses={200: sse.EVENT_STREAM})
async def watch_models(
    _: UserId,
    services: ServicesDep,
    reader: ReaderDep,
    language: Annotated[str | None, Query(max_length=35, pattern="^[A-Za-z0-9-]+$")] = None,
) -> StreamingResponse:
    """Subscribe to the list of models: all models, then changes, as server-sent events (see docs/api.md).

    `language` takes precedence over ``Accept-Language``, which a browser's EventSource can't set.
    """
    if language:
        reader = replace(reader, languages=(language, *reader.languages))
    return sse.response(_events(services.models, reader, services.settings.heartbeat_s))


async def _events(models: ModelService, reader: Reader, heartbeat_s: float) -> AsyncIterator[bytes]:
    async with aclosing(models.subscribe(reader.languages, heartbeat_s)) as subscription:
        async for event in subscription:
            yield sse.HEARTBEAT if event is None else sse.encode(*event_json(event, reader))


@router.post("/pull", status_code=202)
async def pull_by_name(user_id: AdminId, services: ServicesDep, body: PullByName) -> PullStarted:
    """Start downloading any model on the Hugging Face Hub. Returns after it was found there, or the reason if not."""
    return PullStarted(id=await services.model_jobs.start_fetch_by_name(user_id, body.source))


@router.post("/import", status_code=202)
async def import_files(user_id: AdminId, services: ServicesDep, body: ImportModel) -> JobPublic:
    """Start importing a model or an adapter from files on the server's disk; ``/api/jobs`` shows how far it is."""
    job = await services.model_jobs.import_files(user_id, Path(body.source), body.name, body.base, body.to)
    return job_public(job, services.jobs)


@router.get("/{model_id}")
async def get_model(_: UserId, services: ServicesDep, model_id: ModelRef, reader: ReaderDep) -> dict[str, Any]:
    """Get one model as in the list; an id with ``@quantization`` selects that variant."""
    return model_json(await asyncio.to_thread(services.models.show, model_id, reader.languages), reader)


@router.post("/{model_id}/pull", status_code=202, response_class=Response)
async def pull(user_id: AdminId, services: ServicesDep, model_id: ModelRef) -> Response:
    """Start downloading a model, unless that is running; the model's ``progress`` shows how far it is."""
    await services.model_jobs.start_fetch(user_id, model_id)
    return Response(status_code=202)


@router.delete("/{model_id}/pull", status_code=204)
async def cancel_pull(_: AdminId, services: ServicesDep, model_id: ModelRef) -> Response:
    """Cancel a download (partial files are kept if the source allows resuming), or forget a failed one by name."""
    await services.model_jobs.cancel_fetch(model_id)
    return Response(status_code=204)


@router.post("/{model_id}/convert", status_code=202)
async def convert(user_id: AdminId, services: ServicesDep, model_id: ModelRef, body: ConvertModel) -> JobPublic:
    """Start converting a Hugging Face model to GGUF for llama.cpp; ``/api/jobs`` shows how far it is."""
    return job_public(await services.model_jobs.convert(user_id, model_id, body.to), services.jobs)


@router.post("/{model_id}/load", status_code=204)
async def load(_: AdminId, services: ServicesDep, model_id: ModelRef) -> Response:
    """Load a model into memory; returns when it is ready."""
    await services.models.load(model_id)
    return Response(status_code=204)


@router.post("/{model_id}/unload", status_code=204)
async def unload(_: AdminId, services: ServicesDep, model_id: ModelRef) -> Response:
    """Unload a model from memory. 409 while it is generating."""
    await services.models.unload(model_id)
    return Response(status_code=204)
