"""Generation requests, and the events that an engine answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from app.domain.sampling import SamplingParams


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model reads it."""

    text: str
    n_tokens: int
    token_ids: tuple[int, ...] | None = None  # None: not known outside the engine


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A request for one reply to an engine. ``sampling.seed`` is always set."""

    id: str
    prompt: Prompt
    sampling: SamplingParams
    adapter: str | None = None


class FinishReason(StrEnum):
    """Why a reply ended."""

    STOP = "stop"
    LENGTH = "length"
    CANCELLED = "cancelled"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one reply; ``cached_tokens`` of the prompt came from the KV cache."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits; ``position`` 1 is next."""

    position: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """The request has a slot and is being computed."""


@dataclass(frozen=True, slots=True)
class Delta:
    """New text: whole characters only, and nothing of a stop string."""

    text: str
    n_tokens: int = 1


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a reply that did not fail."""

    reason: FinishReason
    usage: Usage = field(default_factory=Usage)


EngineEvent = Delta | Finished
GenerationEvent = Queued | Admitted | Delta | Finished
