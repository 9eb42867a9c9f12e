"""The models in memory: loaded on demand, kept while someone uses them, unloaded least recently used first.

The pool promises memory before it loads, by the estimates of app.models, and never promises more than its budget.
It knows no engine by name; they are found by :mod:`app.engine.factories`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from app.config import Settings
from app.engine.admission import Ticket
from app.engine.base import EngineFactory, LoadPlan
from app.engine.factories import EngineFactories, factory_for, find_factories
from app.engine.loaded import LoadedModel
from app.engine.process import available_cores
from app.engine.templates.native import native_format
from app.engine.templates.renderer import TemplateRenderer
from app.errors import (
    DamagedWeights,
    InvalidManifest,
    MissingExtra,
    ModelBusy,
    NotEnoughMemory,
    ParleyError,
    UnsupportedRequest,
    WorkerFailed,
)
from app.families import Family, load_families
from app.models.catalog import Catalog
from app.models.manifest import Manifest
from app.models.memory.estimate import MemoryEstimate, available_bytes
from app.models.references import parse

__all__ = ["EngineFactories", "LoadedModel", "ModelPool", "ModelSnapshot", "ModelState", "Ticket"]

_MIB = 1 << 20

ModelState = Literal["unloaded", "loading", "loaded", "failed"]


@dataclass(frozen=True, slots=True)
class ModelSnapshot:
    """One model of the pool at one moment, for metrics."""

    model_id: str
    state: ModelState
    leases: int
    running: int
    waiting: int
    slots: int
    restarts: int
    memory_bytes: int  # promised


@dataclass(slots=True, eq=False)
class _Entry:
    """A model that is loaded or being loaded."""

    loading: asyncio.Task[LoadedModel]
    leases: int = 0
    memory_bytes: int = 0
    last_used_s: float = field(default_factory=time.monotonic)

    @property
    def model(self) -> LoadedModel | None:
        task = self.loading
        return task.result() if task.done() and not task.cancelled() and task.exception() is None else None


class ModelPool:
    """Leases models. Belongs to one event loop; close it before the loop ends."""

    def __init__(self, settings: Settings, catalog: Catalog, factories: EngineFactories | None = None) -> None:
        self.budget_bytes = settings.memory_limit_mib * _MIB or available_bytes()
        self._settings = settings
        self._catalog = catalog
        self._factories = find_factories() if factories is None else factories
        self._families = load_families()
        self._entries: dict[str, _Entry] = {}
        self._errors: dict[str, ParleyError] = {}
        self._room = asyncio.Lock()
        self._templates = TemplateRenderer()
        self._closed = False

    @property
    def promised_bytes(self) -> int:
        """Memory promised to the models that are loaded or being loaded. May be asked from any thread."""
        return sum(entry.memory_bytes for entry in tuple(self._entries.values()))

    def warm_up(self) -> None:
        """Prepare what every first loading would wait for, in the background."""
        self._templates.warm_up()

    @asynccontextmanager
    async def lease(self, reference: str) -> AsyncIterator[LoadedModel]:
        """The model, loaded, with the adapter that `reference` names; it stays in memory until the lease ends.

        Raises :class:`~app.errors.ModelNotFound`, :class:`~app.errors.ModelNotFetched`,
        :class:`~app.errors.DamagedWeights`, :class:`NotEnoughMemory`, :class:`WorkerFailed`,
        :class:`~app.errors.MissingExtra`, and :class:`ModelBusy` for an adapter that came while it was answering.
        """
        model_id, adapter = self._key(reference), parse(reference).adapter
        if adapter:
            await self._welcome(model_id, adapter, reference)
        entry = self._entries.get(model_id) or self._begin(model_id)
        entry.leases += 1
        try:
            model = await self._result(entry)
            if adapter and adapter not in model.capabilities.adapters:
                raise UnsupportedRequest(f"{model.manifest.title} doesn't support adapters.", field="model_id")
            yield model
        finally:
            entry.leases -= 1
            entry.last_used_s = time.monotonic()

    async def load(self, reference: str) -> None:
        """Load the model and lease it to nobody."""
        async with self.lease(reference):
            pass

    async def unload(self, reference: str) -> None:
        """Free the model's memory. Raises :class:`ModelBusy` while someone uses it."""
        model_id = self._key(reference)
        async with self._room:
            entry = self._entries.get(model_id)
            if entry is None:
                return
            if entry.leases:
                raise ModelBusy(
                    "This model is in use. Stop its replies or wait for them, then unload it.", model_id=model_id
                )
            await self._drop(model_id)

    async def close(self) -> None:
        """Unload everything, whoever uses it. Idempotent."""
        self._closed = True
        for model_id in list(self._entries):
            await self._drop(model_id)
        await self._templates.close()

    def state(self, model_id: str) -> ModelState:
        """Where the model is; of a ``failed`` one :meth:`error` tells more."""
        entry = self._entries.get(model_id)
        if entry is not None:
            return "loading" if entry.model is None else "loaded"
        return "failed" if model_id in self._errors else "unloaded"

    def error(self, model_id: str) -> ParleyError | None:
        """Why the last loading failed, until it is tried again."""
        return self._errors.get(model_id)

    def missing_extra(self, engine: str) -> MissingExtra | None:
        """What must be installed before a model of `engine` can be loaded."""
        try:
            factory_for(engine, self._factories)
        except MissingExtra as missing:
            return missing
        return None

    def snapshot(self) -> list[ModelSnapshot]:
        """All models that are loaded or being loaded."""
        return [self._snapshot(model_id, entry) for model_id, entry in self._entries.items()]

    def _snapshot(self, model_id: str, entry: _Entry) -> ModelSnapshot:
        model = entry.model
        return ModelSnapshot(
            model_id,
            self.state(model_id),
            entry.leases,
            running=model.queue.running if model else 0,
            waiting=model.queue.waiting if model else 0,
            slots=model.queue.slots if model else 0,
            restarts=model.restarts if model else 0,
            memory_bytes=entry.memory_bytes,
        )

    def _key(self, reference: str) -> str:
        """The id that a loaded model has here: without the adapter, and without the quantization if it's the usual one.

        Raises :class:`~app.errors.ModelNotFound`.
        """
        model = parse(reference).model
        return model if model in self._entries else self._catalog.get(model).id

    async def _welcome(self, model_id: str, adapter: str, reference: str) -> None:
        """See to it that the model comes with an adapter that was added after it was loaded.

        Raises :class:`~app.errors.ModelNotFound`, :class:`DamagedWeights` and :class:`ModelBusy`.
        """
        entry = self._entries.get(model_id)
        loaded = entry.model if entry else None
        if loaded is not None and adapter in loaded.capabilities.adapters:
            return
        await asyncio.to_thread(self._catalog.check_adapter, reference)
        async with self._room:
            entry = self._entries.get(model_id)
            if entry is None or entry.model is None or adapter in entry.model.capabilities.adapters:
                return
            if entry.leases:
                raise ModelBusy(
                    f"The adapter {adapter} was added after this model was loaded, and the model is in use. "
                    "Try again when its replies are done: it then reloads with the adapter.",
                    model_id=model_id,
                )
            await self._drop(model_id)

    async def _result(self, entry: _Entry) -> LoadedModel:
        try:
            return await asyncio.shield(entry.loading)
        except asyncio.CancelledError:
            if entry.loading.cancelled():  # not the caller was cancelled, but the loading
                raise self._closing() from None
            raise

    @staticmethod
    def _closing() -> WorkerFailed:
        return WorkerFailed("Parley is shutting down. Restart it, then try again.")

    def _begin(self, model_id: str) -> _Entry:
        """Start loading; the task is the pool's, so that a caller who gives up takes nothing from others."""
        if self._closed:
            raise self._closing()
        manifest = self._catalog.get(model_id)
        factory = factory_for(manifest.engine, self._factories)
        self._errors.pop(model_id, None)
        entry = _Entry(asyncio.create_task(self._load(manifest, factory), name=f"load {model_id}"))
        self._entries[model_id] = entry
        entry.loading.add_done_callback(lambda task: self._loaded(model_id, entry, task))
        return entry

    def _loaded(self, model_id: str, entry: _Entry, task: asyncio.Task[LoadedModel]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            return
        if self._entries.get(model_id) is entry:
            del self._entries[model_id]
        if isinstance(error, ParleyError):
            self._errors[model_id] = error

    async def _load(self, manifest: Manifest, factory: EngineFactory) -> LoadedModel:
        entry = self._entries[manifest.id]
        self.warm_up()
        plan, estimate, digest = await asyncio.to_thread(self._plan, manifest, factory)
        if plan.native is not None:
            await plan.native.check(manifest.id)
        if estimate is not None:
            async with self._room:
                granted = await self._make_room(manifest.id, estimate)
                entry.memory_bytes = granted.total_bytes
            plan = replace(plan, slots=granted.slots, cache_mib=granted.prompt_cache_bytes // _MIB)
        engine = factory.build(plan)
        try:
            await engine.start()
        except BaseException:
            await engine.stop()
            raise
        check = partial(self._check_unchanged, manifest.id, digest)
        return LoadedModel(manifest, engine, digest, self._settings.max_waiting, check)

    def _plan(self, manifest: Manifest, factory: EngineFactory) -> tuple[LoadPlan, MemoryEstimate | None, str]:
        """What the engine is told, what that takes, and the weights' digest; blocks while sums are computed."""
        settings = self._settings
        plan = LoadPlan(
            manifest=manifest,
            family=self._family(manifest),
            weights=None,
            context_tokens=manifest.context_tokens or settings.context_tokens,
            slots=settings.slots or factory.slots,
            threads=settings.threads or available_cores(),
            upstream_timeout_s=settings.upstream_timeout_s,
            quantization=manifest.load_as,
            cache_dir=self._catalog.store_dir / "cache",
        )
        digest = self._catalog.digest(manifest.id)
        if not manifest.files:
            return plan, None, digest
        weights, adapters = self._catalog.weights(manifest.id), self._catalog.adapters(manifest.id)
        native = native_format(self._templates, weights) if plan.family.render is None else None
        plan = replace(plan, weights=weights, adapters=adapters, native=native)
        estimate = self._catalog.memory(manifest.id)
        if estimate is None:
            return plan, None, digest
        return replace(plan, context_tokens=estimate.context_tokens, slots=estimate.slots), estimate, digest

    def _check_unchanged(self, model_id: str, digest: str) -> None:
        """Raises :class:`DamagedWeights` when the files are not those that were loaded; blocks."""
        if self._catalog.get(model_id).files:
            self._catalog.weights(model_id)
        if self._catalog.digest(model_id) != digest:
            raise DamagedWeights(
                "This model's weights were replaced while it was loaded. Unload it, then load it again.",
                model_id=model_id,
            )

    def _family(self, manifest: Manifest) -> Family:
        if manifest.family not in self._families:
            known = ", ".join(sorted(self._families))
            raise InvalidManifest(
                f"The manifest of {manifest.id} names the unknown family {manifest.family!r}. Choose one of {known}."
            )
        return self._families[manifest.family]

    async def _make_room(self, model_id: str, wanted: MemoryEstimate) -> MemoryEstimate:
        """Unload idle models until `wanted` fits, with fewer slots if it must be; holds the lock."""
        choices = [replace(wanted, slots=slots) for slots in range(wanted.slots, 0, -1)]
        while True:  # each time anew: while one is unloaded, another may be leased or released
            in_use = sum(entry.memory_bytes for entry in self._entries.values() if entry.leases)
            granted = next((c for c in choices if c.total_bytes <= self.budget_bytes - in_use), None)
            if granted is None:
                raise self._too_large(model_id, choices[-1].total_bytes, in_use)
            if granted.total_bytes <= self.budget_bytes - self.promised_bytes:
                return granted
            await self._drop(min(self._idle(), key=lambda idle: self._entries[idle].last_used_s))

    def _idle(self) -> list[str]:
        return [model_id for model_id, entry in self._entries.items() if not entry.leases and entry.memory_bytes]

    def _too_large(self, model_id: str, needed_bytes: int, in_use_bytes: int) -> NotEnoughMemory:
        busy = [m for m, entry in self._entries.items() if entry.leases and entry.memory_bytes]
        cure = (
            f"These models are in use: {', '.join(busy)}. Wait for their replies, or stop them."
            if needed_bytes <= self.budget_bytes
            else "Choose a smaller model or a smaller quantization, lower PARLEY_CONTEXT_TOKENS, or raise "
            "PARLEY_MEMORY_LIMIT_MIB if the machine has more."
        )
        free_bytes = self.budget_bytes - in_use_bytes
        return NotEnoughMemory(
            f"This model needs {needed_bytes / _MIB:.0f} MiB of memory, but only {free_bytes / _MIB:.0f} MiB are free "
            f"for models. {cure}",
            model_id=model_id,
            needed_bytes=needed_bytes,
            available_bytes=free_bytes,
        )

    async def _drop(self, model_id: str) -> None:
        entry = self._entries.pop(model_id)
        entry.loading.cancel()
        await asyncio.wait([entry.loading])
        if (model := entry.model) is not None:
            await model.engine.stop()
