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

    context_tokens: int  # prompt and reply together, per slot
    slots: int  # replies at once
    adapters: tuple[str, ...] = ()
    scores: bool = False


class Engine(Protocol):
    """Turns prompts into tokens for one model.

    Life: ``start`` (loads; raises :class:`~app.errors.WorkerFailed`), then any number of ``render`` and ``generate``
    at once, then ``stop``. After its worker dies ``alive`` is false, every running ``generate`` raises
    :class:`~app.errors.WorkerDied`, and ``start`` brings it up again.
    """

    @property
    def alive(self) -> bool:
        """Whether requests can be taken now."""

    @property
    def pid(self) -> int | None:
        """The process that holds the weights, from its start on; ``None``: there is none."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; valid after ``start``."""

    async def start(self) -> None:
        """Load the weights. Idempotent."""

    async def stop(self) -> None:
        """Free everything. Idempotent."""

    async def render(self, turns: Sequence[Turn], prefill: str = "") -> Prompt:
        """The prompt for a reply to `turns`, counted; `prefill` is a reply's text already there.

        Raises :class:`~app.errors.PromptTooLong` only where counting is impossible otherwise; as a rule the caller
        compares ``n_tokens`` with the context.
        """

    def generate(self, request: GenerationRequest) -> AsyncGenerator[EngineEvent, None]:
        """Deltas, then one ``Finished``. Closing the generator cancels within one decoding step.

        Raises :class:`~app.errors.EngineError` (one of its subclasses) when this request fails.
        """


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What an engine is built from: a model, and what the pool grants it."""

    manifest: Manifest
    family: Family
    weights: Path | None  # a file; torch: the model's folder; None: an engine without weights of its own
    context_tokens: int  # per slot
    slots: int
    threads: int
    cache_mib: int = 64  # prompts kept for reuse, beside the slots
    upstream_timeout_s: float = 120.0
    quantization: str = ""  # how to load it: none, int8, nf4, or the checkpoint's own; "" as "none": as stored
    adapters: Mapping[str, Path] = field(default_factory=dict)  # name → folder; they were checked
    cache_dir: Path | None = None  # where prepared weights and conversions may be kept
    native: NativeFormat | None = None  # the checkpoint's own chat template, for a family that leaves prompts to it


@dataclass(frozen=True, slots=True)
class EngineFactory:
    """An engine as :mod:`app.engine.pool` finds it: a module or package of this package that has one as ``ENGINE``.

    Importing that module must not load what the engine runs on; ``build`` does not either, ``start`` does.
    """

    name: str  # as manifests say it
    build: Callable[[LoadPlan], Engine]
    takes: EngineInput = GGUF  # what its models come from
    slots: int = 4  # replies at once, where neither settings nor memory decide
    extra: str = ""  # of this package, that brings what the engine runs on
    requires: tuple[str, ...] = ()  # modules that the extra brings: one that is missing is told before loading
