"""Generation requests, and the events that an engine returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from app.domain.reasoning import Phase
from app.domain.sampling import SamplingParams


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the model reads it."""

    text: str
    n_tokens: int
    token_ids: tuple[int, ...] | None = None  # None: not known outside the engine


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """What a program may ask of one reply beyond sampling parameters. Not every engine can do each of them."""

    presence_penalty: float = 0.0  # -2 … 2
    frequency_penalty: float = 0.0  # -2 … 2
    logit_bias: Mapping[int, float] = field(default_factory=dict)  # token id → -100 … 100
    json_schema: Mapping[str, Any] | None = None  # that the reply follows
    logprobs: bool = False  # the tokens of the answer are told with the logarithms of their probabilities
    top_logprobs: int = 0  # 0 … 20 of the likeliest tokens at each place, too; with logprobs only

    @property
    def wanted(self) -> frozenset[str]:
        """The names of those that are asked for."""
        return frozenset(f.name for f in fields(self) if getattr(self, f.name) not in (0.0, None, {}))


ALL_OPTIONS = frozenset(f.name for f in fields(DecodingOptions))
LOGPROBS = frozenset({"logprobs", "top_logprobs"})


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A request for one reply to an engine. ``sampling.seed`` is always set."""

    id: str
    prompt: Prompt
    sampling: SamplingParams
    adapter: str | None = None
    options: DecodingOptions = field(default_factory=DecodingOptions)
    phase: Phase = Phase.BEFORE  # where the reply begins; a continued one in its reasoning or its answer


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
class Reading:
    """The prompt is being read: `read_tokens` of `prompt_tokens` so far, those from the KV cache included."""

    read_tokens: int
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class TokenChance:
    """A token of an answer and the natural logarithm of its probability, before any sampling parameter."""

    text: bytes  # UTF-8; alternatives may be a part of a character
    logprob: float
    likeliest: tuple[TokenChance, ...] = ()  # at its place, the most likely first


@dataclass(frozen=True, slots=True)
class Delta:
    """New text: whole characters only, and nothing of a stop string."""

    text: str  # of the answer
    n_tokens: int = 1
    reasoning: str = ""  # before the answer
    chances: tuple[TokenChance, ...] = ()  # of the tokens of `text`, where they were asked for


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a reply that did not fail."""

    reason: FinishReason
    usage: Usage = field(default_factory=Usage)


EngineEvent = Reading | Delta | Finished
GenerationEvent = Queued | Admitted | Reading | Delta | Finished
