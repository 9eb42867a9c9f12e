"""Models as JSON: the one form in which lists, single models and events tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.models import model_events as events
from app.models.catalog import ModelStatus
from app.models.model_views import Listing, ModelView, VariantView
from app.weights.sources import HubSource, WheelSource


def listing_json(listing: Listing, languages: Sequence[str]) -> dict[str, Any]:
    """All models, with descriptions in the first of `languages` that there is; what can't be read; memory."""
    return {
        "items": [model_json(view, languages) for view in listing.models],
        "problems": [problem.payload() for problem in listing.problems],
        "memory": memory_json(listing.memory_bytes, listing.free_bytes),
    }


def memory_json(memory_bytes: int, free_bytes: int) -> dict[str, int]:
    """This machine's memory."""
    return {"total_bytes": memory_bytes, "available_bytes": free_bytes}


def model_json(view: ModelView, languages: Sequence[str]) -> dict[str, Any]:
    """One model with its variants (``quantizations``) and adapters."""
    manifest = view.manifest
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
        "state": view.state,
        "detail": view.status.detail,
        "ignored": list(manifest.ignored),
        "fetchable": isinstance(manifest.source, HubSource | WheelSource),
        "size_bytes": view.status.size_bytes,
        **_needs(view.status),
        "arriving": view.arriving,
        "progress": asdict(view.progress) if view.progress else None,
        "error": view.error.payload() if view.error else None,
        "default": view.default,
        "quantizations": [_variant_json(variant) for variant in view.variants],
        "adapters": _adapters_json(view),
    }


def event_json(event: events.ModelEvent, languages: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """An event's name and data."""
    match event:
        case events.ModelsListed(listing):
            return "models", listing_json(listing, languages)
        case events.ModelChanged(view):
            return "model", {"model": model_json(view, languages)}
        case events.ModelRemoved(model_id):
            return "removed", {"id": model_id}
        case events.MemoryChanged(memory_bytes, free_bytes):
            return "memory", {"memory": memory_json(memory_bytes, free_bytes)}


def _variant_json(view: VariantView) -> dict[str, Any]:
    """``id`` is the reference that asks for it."""
    manifest = view.manifest
    return {
        "name": manifest.load_as,
        "id": manifest.id,
        "default": manifest.id == manifest.base_id,
        "state": view.state,
        "engine": manifest.engine,
        "why": manifest.why,
        **_needs(view.status),
        "error": view.error.payload() if view.error else None,
    }


def _needs(status: ModelStatus) -> dict[str, Any]:
    """The memory it takes, in all and of which kind, and whether this machine has it; ``None`` where not known."""
    memory = status.memory
    return {
        "memory_bytes": memory.total_bytes if memory else None,
        "weights_bytes": memory.weights_bytes if memory else None,
        "cache_bytes": memory.kv_bytes if memory else None,
        "fits": status.fits,
    }


def _adapters_json(view: ModelView) -> list[dict[str, Any]]:
    """``detail`` says why an adapter can't be used, if it can't."""
    found = []
    for adapter in view.manifest.adapters:
        problem = view.adapter_problems.get(adapter.name, "")
        title = adapter.title or adapter.name
        found.append({"name": adapter.name, "title": title, "usable": not problem, "detail": problem})
    return found
