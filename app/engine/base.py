"""The interface of every engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.domain.generation import EngineEvent, GenerationRequest, Prompt
from app.domain.messages import Turn
from app.engine.templates.native_format import NativeFormat
from app.families.base import Family
from app.models.engine_input import GGUF, EngineInput
from app.models.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a started engine can do."""

    context_tokens: int  # prompt and reply, per slot
    slots: int  # concurrent replies
    adapters: tuple[str, ...] = ()
    scores: bool = False
    thinking_limit: bool = False  # whether it can end the reasoning of a reply: see ``Engine.extend``
    hides_opening: bool = False  # whether replies may begin in reasoning that neither they nor the prompt known open
    options: frozenset[str] = frozenset()  # names of the fields of DecodingOptions that it can do


class Engine(Protocol):
    """Turns prompts into tokens for one model.

    Life cycle: ``start`` (loads; raises :class:`~app.errors.WorkerFailed`), then any number of concurrent ``render``
    and ``generate`` calls, then ``stop``. After its worker dies ``alive`` is false, every running ``generate`` raises
    :class:`~app.errors.WorkerDied`, and ``start`` restarts it.
    """

    @property
    def alive(self) -> bool:
        """Whether the engine accepts requests."""

    @property
    def pid(self) -> int | None:
        """The id of the process that holds the weights, also while it loads; ``None`` where there is none."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; valid after ``start``."""

    async def start(self) -> None:
        """Load the weights. Idempotent."""

    async def stop(self) -> None:
        """Free everything. Idempotent."""

    async def render(self, turns: Sequence[Turn], prefill: str = "", thinking: bool | None = None) -> Prompt:
        """The prompt for a reply to `turns`, with its token count; `prefill` is the beginning of the reply.

        `thinking`: whether the model is to think first, where its format can tell it; ``None``: as it does by itself.

        Raises :class:`~app.errors.PromptTooLong` only where counting is impossible otherwise; as a rule the caller
        compares ``n_tokens`` with the context.
        """

    async def extend(self, prompt: Prompt, begun: str, closing: str) -> Prompt:
        """`prompt` and the reply's beginning `begun`, ended by the tag `closing`; for ``thinking_limit`` only."""

    def generate(self, request: GenerationRequest) -> AsyncGenerator[EngineEvent, None]:
        """Deltas, then one ``Finished``. Closing the generator cancels within one decode step.

        Raises :class:`~app.errors.EngineError` (one of its subclasses) when this request fails.
        """


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """All that an engine is built from: the model, and the resources that the pool grants it."""

    manifest: Manifest
    family: Family
    weights: Path | None  # a file; torch: the model's folder; None: an engine without weights of its own
    context_tokens: int  # per slot
    slots: int
    threads: int
    cache_mib: int = 64  # of prompt cache, in addition to the slots' KV cache
    upstream_timeout_s: float = 120.0
    quantization: str = ""  # how to load it: none, int8, nf4, or the checkpoint's own; "" as "none": as stored
    adapters: Mapping[str, Path] = field(default_factory=dict)  # name → folder, already checked
    cache_dir: Path | None = None  # where prepared weights and conversions may be kept
    native: NativeFormat | None = None  # the checkpoint's own chat template, for a family without a format


@dataclass(frozen=True, slots=True)
class EngineFactory:
    """How to build an engine; each engine's module or package in this package defines one as ``ENGINE``.

    Neither importing that module nor ``build`` may load heavy libraries; only ``start`` does.
    """

    name: str  # as in manifests
    build: Callable[[LoadPlan], Engine]
    takes: EngineInput = GGUF  # the kind of model it loads
    slots: int = 4  # default number of concurrent replies
    extra: str = ""  # the optional dependency group that the engine needs
    requires: tuple[str, ...] = ()  # modules of that extra, checked before loading
