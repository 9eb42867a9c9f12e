"""Models as JSON, in the same form for the list, single models and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.errors import ParleyError
from app.models import model_events as events
from app.models.manifest import Manifest, UpstreamSource
from app.models.memory import MemorySnapshot
from app.models.model_views import Listing, ModelView, VariantView
from app.weights.sources import HubSource, WheelSource


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: their languages, preferred first, and whether they may see where files are on the server."""

    languages: Sequence[str]
    sees_files: bool


def listing_json(listing: Listing, reader: Reader) -> dict[str, Any]:
    """All models (descriptions in the reader's language if there are any), unreadable manifests, and memory."""
    return {
        "items": [model_json(view, reader) for view in listing.models],
        "problems": [problem.payload() for problem in listing.problems] if reader.sees_files else [],
        "memory": memory_json(listing.memory),
    }


def memory_json(memory: MemorySnapshot) -> dict[str, Any]:
    """Memory available to a model loaded now, in bytes: RAM, and GPU memory if there is a GPU."""
    vram = memory.vram and {"total_bytes": memory.vram.total_bytes, "available_bytes": memory.free_vram_bytes}
    return {"total_bytes": memory.ram.total_bytes, "available_bytes": memory.free_bytes, "gpu": vram}


def model_json(view: ModelView, reader: Reader) -> dict[str, Any]:
    """One model with its variants (``quantizations``) and adapters."""
    manifest = view.manifest
    return {
        "id": manifest.id,
        "title": manifest.title,
        "description": manifest.described(reader.languages),
        "family": manifest.family,
        "engine": manifest.engine,
        "why": manifest.why,
        "kind": manifest.kind,
        "languages": list(manifest.languages),
        "licence": manifest.licence,
        "parameters": manifest.parameters,
        "quantization": manifest.quantization,
        "context_tokens": _context_tokens(view),
        "default_sampling": manifest.default_sampling.as_dict(),
        "thinking": _thinking_json(manifest),
        "state": view.state,
        "detail": view.status.detail if reader.sees_files else "",
        "ignored": list(manifest.ignored),
        "fetchable": isinstance(manifest.source, HubSource | WheelSource),
        "size_bytes": view.status.size_bytes,
        **_memory_fields(view),
        "arriving": view.arriving,
        "progress": asdict(view.progress) if view.progress else None,
        "error": _error_json(view.error, reader),
        "default": view.default,
        "recommended": view.recommended,
        "tier": view.tier,
        "quantizations": [_variant_json(variant, reader) for variant in view.variants],
        "adapters": _adapters_json(view, reader),
    }


def _context_tokens(view: ModelView) -> int | None:
    """How much a conversation may hold: what the model can read, or less if the settings say so."""
    estimate = view.status.memory
    return estimate.context_tokens if estimate else view.manifest.context_tokens


def _thinking_json(manifest: Manifest) -> dict[str, bool]:
    """Whether it thinks before it answers, can be told not to, and can be ended: not in another server."""
    can_limit = not isinstance(manifest.source, UpstreamSource)
    return {"thinks": manifest.reasoning.thinks, "switch": bool(manifest.reasoning.switch), "limit": can_limit}


def event_json(event: events.ModelEvent, reader: Reader) -> tuple[str, dict[str, Any]]:
    """Name and data of a model event."""
    match event:
        case events.ModelsListed(listing):
            return "models", listing_json(listing, reader)
        case events.ModelChanged(view):
            return "model", {"model": model_json(view, reader)}
        case events.ModelRemoved(model_id):
            return "removed", {"id": model_id}
        case events.MemoryChanged(memory):
            return "memory", {"memory": memory_json(memory)}


def _variant_json(view: VariantView, reader: Reader) -> dict[str, Any]:
    """One variant; ``id`` is its model reference."""
    manifest = view.manifest
    return {
        "name": manifest.load_as,
        "id": manifest.id,
        "default": manifest.id == manifest.base_id,
        "state": view.state,
        "engine": manifest.engine,
        "why": manifest.why,
        **_memory_fields(view),
        "error": _error_json(view.error, reader),
    }


def _error_json(error: ParleyError | None, reader: Reader) -> dict[str, Any] | None:
    """An error; its words and most details name files, so others than administrators get its code and numbers."""
    if error is None or reader.sees_files:
        return error.payload() if error else None
    details = {name: value for name, value in error.details.items() if isinstance(value, int | float)}
    return {"code": error.code, "message": "An administrator can see why.", "details": details}


def _memory_fields(view: ModelView | VariantView) -> dict[str, Any]:
    """The memory needed on its device, in total and by part, and whether it fits; ``None`` if unknown."""
    estimate = view.status.memory
    needed_bytes = estimate and (estimate.vram_bytes if view.device == "gpu" else estimate.total_bytes)
    return {
        "memory_bytes": needed_bytes,
        "weights_bytes": estimate.weights_bytes if estimate else None,
        "cache_bytes": estimate.kv_bytes if estimate else None,
        "device": view.device,
        "fits": view.fits,
        "load_share": view.load_share,
    }


def _adapters_json(view: ModelView, reader: Reader) -> list[dict[str, Any]]:
    """The adapters of a model; ``detail`` is the reason if one can't be used, else ""."""
    found = []
    for adapter in view.manifest.adapters:
        problem = view.adapter_problems.get(adapter.name, "")
        title = adapter.title or adapter.name
        found.append(
            {
                "name": adapter.name,
                "title": title,
                "usable": not problem,
                "detail": problem if reader.sees_files else "",
            }
        )
    return found
