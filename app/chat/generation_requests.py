"""Builds generation requests, with sampling from the model, the conversation and the reply, and a seed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace

from app.domain.generation import DecodingOptions, GenerationRequest, Prompt
from app.domain.ids import new_id
from app.domain.reasoning import phase_after
from app.domain.sampling import MAX_SEED, SamplingParams
from app.models.manifest import Manifest
from app.models.references import parse

_NO_OPTIONS = DecodingOptions()


def sampling_for(manifest: Manifest, *overrides: Mapping[str, object]) -> SamplingParams:
    """The manifest's defaults with each of `overrides` applied in turn."""
    sampling = manifest.default_sampling
    for given in overrides:
        sampling = sampling.merged(given)
    return sampling


def request_for(
    prompt: Prompt,
    sampling: SamplingParams,
    max_new_tokens: int,
    reference: str = "",
    options: DecodingOptions = _NO_OPTIONS,
    prefill: str = "",
) -> GenerationRequest:
    """A request for a reply of at most `max_new_tokens`, with a seed drawn where `sampling` has none.

    `reference` is the requested model; its adapter becomes part of the request. `prefill`: the reply's beginning, which
    is part of the prompt.
    """
    adapter = (parse(reference).adapter if reference else "") or None
    seed = secrets.randbelow(MAX_SEED + 1) if sampling.seed is None else sampling.seed
    chosen = replace(sampling, seed=seed, max_new_tokens=max_new_tokens)
    return GenerationRequest(new_id(), prompt, chosen, adapter, options, phase_after(prefill))
