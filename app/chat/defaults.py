"""Which model answers when nobody chose one, and with which parameters."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.config import Settings
from app.domain.generation import MAX_SEED, GenerationRequest, Prompt, SamplingParams
from app.domain.ids import new_id
from app.engine.factories import is_installed
from app.errors import ModelNotFetched
from app.models.catalog import Catalog
from app.models.manifest import Manifest
from app.models.references import parse


def ready_models(catalog: Catalog) -> list[Manifest]:
    """Chat models whose weights are here, in the catalogue's order."""
    return [m for m in catalog.list() if m.kind == "chat" and catalog.status_of(m).state == "ready"]


def default_model(catalog: Catalog, settings: Settings, languages: Sequence[str] = ()) -> str | None:
    """The model set by the operator, else the first ready one that speaks one of `languages`, else the first ready.

    One that can be loaded in several ways is named with the first of them that this machine has the memory for.
    """
    if settings.model:
        return settings.model
    ready = ready_models(catalog)
    speaking = [m for language in languages for m in ready if language.split("-")[0].lower() in m.languages]
    for manifest in [*speaking, *ready]:
        ways = [manifest.loaded_as(name) for name in manifest.quantizations or ("",)]
        for way in ways:
            if is_installed(way.engine) and (len(ways) < 2 or catalog.suits(way.id)):
                return way.id
    return None


def require_default_model(catalog: Catalog, settings: Settings, languages: Sequence[str] = ()) -> str:
    """As :func:`default_model`; raises :class:`ModelNotFetched` when there is none."""
    found = default_model(catalog, settings, languages)
    if found is None:
        raise ModelNotFetched(
            "No model has been downloaded yet. Download one in the model list, or run `parley models pull`."
        )
    return found


def sampling_for(manifest: Manifest, *overrides: Mapping[str, object]) -> SamplingParams:
    """The manifest's defaults, with each of `overrides` laid over in turn."""
    sampling = manifest.default_sampling
    for given in overrides:
        sampling = sampling.merged(given)
    return sampling


def request_for(
    prompt: Prompt, sampling: SamplingParams, max_new_tokens: int, reference: str = ""
) -> GenerationRequest:
    """A request for a reply of at most `max_new_tokens`, with a seed drawn where `sampling` has none.

    `reference` names the model as it was asked for; its adapter goes with the request.
    """
    adapter = (parse(reference).adapter if reference else "") or None
    seed = secrets.randbelow(MAX_SEED + 1) if sampling.seed is None else sampling.seed
    return GenerationRequest(
        new_id(), prompt, replace(sampling, seed=seed, max_new_tokens=max_new_tokens), adapter or None
    )
