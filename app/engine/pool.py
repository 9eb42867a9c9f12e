"""The models in memory: loaded on demand, kept while someone uses them, unloaded least recently used first.

The pool reserves memory in the memory budget (:mod:`app.models.memory.budget`), which the catalog uses too. Engines are
found by :mod:`app.engine.factories`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from app.config import Settings
from app.engine.admission import Ticket
from app.engine.base import Engine, EngineFactory
from app.engine.factories import EngineFactories, factory_for, find_factories
from app.engine.loaded import LoadedModel
from app.engine.planning import Planner
from app.engine.quota import UNLIMITED, Quota
from app.engine.templates.renderer import TemplateRenderer
from app.errors import MissingExtra, ModelBusy, ParleyError, UnsupportedRequest, WorkerFailed
from app.models.catalog import Catalog
from app.models.loaded_models import LoadState
from app.models.manifest import Manifest
from app.models.memory import MemoryEstimate
from app.models.references import parse

__all__ = ["EngineFactories", "LoadedModel", "ModelPool", "ModelSnapshot", "Ticket"]

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelSnapshot:
    """One model of the pool at one moment, for metrics."""

    model_id: str
    state: LoadState
    leases: int
    running: int
    waiting: int
    slots: int
    restarts: int
    memory_bytes: int  # reserved


@dataclass(slots=True, eq=False)
class _Entry:
    """A model that is loaded or being loaded; a :class:`~app.models.memory.budget.MemoryHolder`."""

    model_id: str
    loading: asyncio.Task[LoadedModel]
    engine: Engine | None = None  # set before it starts
    leases: int = 0
    last_used_s: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int | None:
        return self.engine.pid if self.engine else None

    @property
    def loaded(self) -> bool:
        return self.model is not None

    @property
    def in_use(self) -> bool:
        return self.leases > 0

    @property
    def model(self) -> LoadedModel | None:
        task = self.loading
        return task.result() if task.done() and not task.cancelled() and task.exception() is None else None


class ModelPool:
    """Leases models. Belongs to one event loop; close it before the loop ends."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        factories: EngineFactories | None = None,
        quota: Quota = UNLIMITED,
    ) -> None:
        self._settings = settings
        self._quota = quota
        self._catalog = catalog
        self.budget = catalog.budget
        self._factories = find_factories() if factories is None else factories
        self._entries: dict[str, _Entry] = {}
        self._errors: dict[str, ParleyError] = {}
        self._listeners: list[Callable[[], None]] = []
        self._reserving = asyncio.Lock()  # memory is reserved for one model at a time
        self._templates = TemplateRenderer()
        self._planner = Planner(settings, catalog, self._templates)
        self._closed = False

    def warm_up(self) -> None:
        """Start the template sandbox in the background, so that the first load need not wait for it."""
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
            await self._ensure_adapter(model_id, adapter, reference)
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
        """Load the model without leasing it."""
        async with self.lease(reference):
            pass

    async def unload(self, reference: str) -> None:
        """Free the model's memory. Raises :class:`ModelBusy` while someone uses it."""
        model_id = self._key(reference)
        async with self._reserving:
            entry = self._entries.get(model_id)
            if entry is None:
                return
            if entry.leases:
                raise ModelBusy(
                    "This model is in use. Stop its replies or wait for them, then unload it.", model_id=model_id
                )
            await self._drop(model_id)

    async def close(self) -> None:
        """Unload all models, even those in use. Idempotent."""
        self._closed = True
        async with self._reserving:
            for model_id in list(self._entries):
                await self._drop(model_id)
        await self._templates.close()

    def state(self, model_id: str) -> LoadState:
        """The model's load state; for ``failed``, :meth:`error` has the reason."""
        entry = self._entries.get(model_id)
        if entry is not None:
            return "loading" if entry.model is None else "loaded"
        return "failed" if model_id in self._errors else "unloaded"

    def load_share(self, model_id: str) -> float | None:
        """How much of a model that is being loaded is in memory, 0 … 0.99; ``None`` if unknown. Reads a file."""
        entry = self._entries.get(model_id)
        return self.budget.load_share(entry) if entry is not None and entry.model is None else None

    def any_loading(self) -> bool:
        """Whether any model is being loaded."""
        return any(entry.model is None for entry in tuple(self._entries.values()))

    def error(self, model_id: str) -> ParleyError | None:
        """The error of the last load, until it is tried again."""
        return self._errors.get(model_id)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the state of a model has changed."""
        self._listeners.append(listener)

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()

    def missing_extra(self, engine: str) -> MissingExtra | None:
        """The error that names the extra to install for `engine`; ``None`` where nothing is missing."""
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
            memory_bytes=self.budget.promised_to(entry),
        )

    def _key(self, reference: str) -> str:
        """The key of a model in the pool: without the adapter, and without the quantization if it is the default.

        Raises :class:`~app.errors.ModelNotFound`.
        """
        model = parse(reference).model
        return model if model in self._entries else self._catalog.get(model).id

    async def _ensure_adapter(self, model_id: str, adapter: str, reference: str) -> None:
        """Unload a model that was loaded before `adapter` was added, so that it is reloaded with it.

        Raises :class:`~app.errors.ModelNotFound`, :class:`DamagedWeights` and :class:`ModelBusy`.
        """
        entry = self._entries.get(model_id)
        loaded = entry.model if entry else None
        if loaded is not None and adapter in loaded.capabilities.adapters:
            return
        await asyncio.to_thread(self._catalog.check_adapter, reference)
        async with self._reserving:
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
            if entry.loading.cancelled():  # the load was cancelled, not the caller
                raise self._closing() from None
            raise

    @staticmethod
    def _closing() -> WorkerFailed:
        return WorkerFailed("Parley is shutting down. Restart it, then try again.")

    def _begin(self, model_id: str) -> _Entry:
        """Start loading in a task of the pool, so that a caller who is cancelled does not affect others."""
        if self._closed:
            raise self._closing()
        manifest = self._catalog.get(model_id)
        factory = factory_for(manifest.engine, self._factories)
        self._errors.pop(model_id, None)
        entry = _Entry(model_id, asyncio.create_task(self._load(manifest, factory), name=f"load {model_id}"))
        self._entries[model_id] = entry
        entry.loading.add_done_callback(lambda task: self._loaded(model_id, entry, task))
        self._changed()
        return entry

    def _loaded(self, model_id: str, entry: _Entry, task: asyncio.Task[LoadedModel]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None and not task.cancelled():
            self.budget.loaded()
        else:
            self.budget.release(entry)
            if self._entries.get(model_id) is entry:
                del self._entries[model_id]
            if isinstance(error, ParleyError):
                self._errors[model_id] = error
        self._changed()

    async def _load(self, manifest: Manifest, factory: EngineFactory) -> LoadedModel:
        entry = self._entries[manifest.id]
        self.warm_up()
        planned = await asyncio.to_thread(self._planner.plan, manifest, factory)
        plan = planned.plan
        if plan.native is not None:
            await plan.native.check(manifest.id)
        if planned.estimate is not None:
            granted = await self._reserve(entry, planned.estimate)
            plan = replace(plan, slots=granted.slots, cache_mib=granted.prompt_cache_bytes // _MIB)
        entry.engine = engine = factory.build(plan)
        try:
            await engine.start()
        except BaseException:
            await engine.stop()
            raise
        check = partial(self._planner.check_unchanged, manifest.id, planned.digest)
        return LoadedModel(manifest, engine, planned.digest, self._settings.max_waiting, check, self._quota)

    async def _reserve(self, entry: _Entry, wanted: MemoryEstimate) -> MemoryEstimate:
        """Reserve memory for `entry`, with fewer slots if necessary, after unloading idle models as needed.

        Raises :class:`~app.errors.NotEnoughMemory`.
        """
        async with self._reserving:
            while True:  # re-evaluate: while one is unloaded, others may be leased or released
                reading = await asyncio.to_thread(self.budget.read)
                now = self.budget.snapshot(reading)
                granted = now.granted(wanted)
                if granted is None:
                    raise now.refusal(entry.model_id, wanted)
                idle = now.to_unload(granted)
                if not idle:
                    self.budget.promise(entry, granted)
                    return granted
                await self._drop(min(idle, key=lambda model_id: self._entries[model_id].last_used_s))

    async def _drop(self, model_id: str) -> None:
        """Cancel loading or unload the model; the caller holds the lock."""
        entry = self._entries.pop(model_id)
        try:
            entry.loading.cancel()
            await asyncio.wait([entry.loading])
            if (model := entry.model) is not None:
                await model.engine.stop()
        finally:
            self.budget.release(entry)
            self._changed()
