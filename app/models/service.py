"""The use cases of models, for the API and the command line: list, choose, fetch, import, convert, check, load."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from app.config import Settings
from app.errors import InvalidImport, InvalidManifest, MissingExtra, ModelNotFetched, ModelNotFound, UnsupportedRequest
from app.models.catalog import Catalog
from app.models.engine_input import EngineInputs
from app.models.fetch_model import fetch_model
from app.models.fetches import Fetches, NoFetches
from app.models.gguf_conversion import ConvertTo, convert_folder, convert_where_wanted, convertible_folder
from app.models.hub_references import is_hub_reference, resolve
from app.models.loaded_models import LoadedModels, NothingLoaded
from app.models.manifest import Manifest
from app.models.model_events import ModelEvent, ModelEvents
from app.models.model_views import Listing, LiveState, ModelView
from app.models.recommendation import Recommendation
from app.models.references import parse
from app.weights.importing.importer import Imported, import_model
from app.weights.progress import Cancelled, OnProgress, Progress

log = logging.getLogger(__name__)

_REFRESH_INTERVAL_S = 1.0  # how often a running server checks its store for new files


class ModelService:
    """The use cases of models. One per process.

    Methods that block say so; a server calls them in threads. The command line creates one with
    :meth:`from_settings`; a server calls :meth:`start` and :meth:`close`.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        loaded: LoadedModels | None = None,
        fetches: Fetches | None = None,
    ) -> None:
        self.catalog = catalog
        self.events = ModelEvents()
        self.fetches = fetches or NoFetches()
        self.fetches.on_change(self.events.notify)
        self._settings = settings
        self._loaded = loaded or NothingLoaded()
        self._loaded.on_change(self.events.notify)
        self._missing_extras: dict[str, MissingExtra] = {}
        self._revision = 0
        self._refresh_task: asyncio.Task[None] | None = None

    @classmethod
    def from_settings(cls, settings: Settings, engines: EngineInputs) -> ModelService:
        """A service for the command line: the models of the store in the settings, none in memory.

        A manifest for an engine that is not in `engines` is listed as a problem.
        """
        catalog = Catalog.from_settings(settings, engines)
        catalog.cache()
        return cls(settings, catalog)

    # -- in a running server ---------------------------------------------------------------------

    async def start(self) -> None:
        """Cache the catalog in memory and refresh it once a second."""
        await asyncio.to_thread(self.catalog.cache)
        await asyncio.to_thread(self._refresh)
        self._refresh_task = asyncio.create_task(self._refresh_regularly(), name="refresh the model list")
        self._refresh_task.add_done_callback(_log_failure)

    async def close(self) -> None:
        """End all subscriptions. Idempotent."""
        self.events.close()
        if self._refresh_task is not None:
            self._refresh_task.cancel()
            await asyncio.wait([self._refresh_task])

    async def subscribe(self, languages: Sequence[str], heartbeat_s: float) -> AsyncGenerator[ModelEvent | None, None]:
        """Yield all models, then changes; ``None`` is a heartbeat. See :mod:`app.models.model_events`."""

        async def get_listing() -> Listing:
            return await asyncio.to_thread(self.listing, languages)

        def has_progress() -> bool:
            return self.fetches.any_running() or self._loaded.any_loading()

        subscription = self.events.subscribe(get_listing, has_progress, heartbeat_s)
        async with contextlib.aclosing(subscription):
            async for event in subscription:
                yield event

    async def load(self, reference: str) -> None:
        """Load a model into memory; returns once it is ready."""
        await self._loaded.load(reference)

    async def unload(self, reference: str) -> None:
        """Free a model's memory. Raises :class:`~app.errors.ModelBusy` while it is generating."""
        await self._loaded.unload(reference)

    # -- which models there are --------------------------------------------------------------------

    def listing(self, languages: Sequence[str] = ()) -> Listing:
        """All models: those in the catalog, and those being fetched by name. Blocks.

        `languages` are the user's: the default model depends on them.
        """
        self._refresh()
        live = self._live_state(languages)
        entries = self.catalog.entries()
        known = {entry.manifest.base_id for entry in entries}
        arriving = [self.catalog.entry(m) for m in self.fetches.arriving() if m.base_id not in known]
        views = [*(live.model_view(entry, arriving=False) for entry in entries)]
        views += [live.model_view(entry, arriving=True) for entry in arriving]
        return Listing(tuple(views), tuple(self.catalog.problems), live.memory)

    def show(self, reference: str, languages: Sequence[str] = ()) -> ModelView:
        """One model, in the variant that `reference` names. Blocks. Raises :class:`ModelNotFound`."""
        self._refresh()
        live = self._live_state(languages)
        manifest = self._arriving_or_known(reference)
        arriving = any(manifest is other for other in self.fetches.arriving())
        return live.model_view(self.catalog.entry(manifest), arriving=arriving)

    def get(self, reference: str) -> Manifest:
        """The manifest of a model, in the variant that `reference` names. Raises :class:`ModelNotFound`."""
        return self.catalog.get(reference)

    def get_readable(self, model_id: str) -> Manifest:
        """Like :meth:`get`; raises :class:`InvalidManifest` if the manifest of that name can't be read."""
        for problem in self.catalog.problems:
            if Path(str(problem.details.get("path", ""))).name == f"{model_id}.toml":
                raise InvalidManifest(problem.message, **problem.details)
        return self.catalog.get(model_id)

    def ready_models(self) -> list[Manifest]:
        """Downloaded chat models, in the catalog's order."""
        return [
            entry.manifest
            for entry in self.catalog.entries()
            if entry.manifest.kind == "chat" and entry.status.state == "ready"
        ]

    def default_model(self, languages: Sequence[str] = ()) -> str | None:
        """The model in the settings, else the first ready one for one of `languages`, else the first ready one.

        Of several variants the first that fits into this machine's memory. ``None`` if no model is usable.
        """
        if self._settings.model:
            return self._settings.model
        chats = [entry for entry in self.catalog.entries() if entry.manifest.kind == "chat"]
        ready = [entry for entry in chats if entry.status.state == "ready"]
        wanted = [language.split("-")[0].lower() for language in languages]
        in_language = [entry for language in wanted for entry in ready if language in entry.manifest.languages]
        for entry in [*in_language, *ready]:
            for variant in entry.variants or (entry,):
                usable = len(entry.variants) < 2 or variant.fits_machine
                if usable and variant.manifest.engine not in self._missing_extras:
                    return variant.manifest.id
        return None

    @property
    def configured_model(self) -> str | None:
        """The model in the settings, which answers whatever the user's language is; ``None`` if none is set."""
        return self._settings.model or None

    def require_default_model(self, languages: Sequence[str] = ()) -> str:
        """Like :meth:`default_model`; raises :class:`ModelNotFetched` when there is none."""
        found = self.default_model(languages)
        if found is None:
            raise ModelNotFetched(
                "No model has been downloaded yet. Download one in the model list, or run `parley models pull`."
            )
        return found

    # -- fetching, importing, converting and checking --------------------------------------------------

    def fetch(self, reference: str, to: ConvertTo, on_progress: OnProgress, cancelled: Cancelled) -> Manifest:
        """Fetch a model by its id or ``hub:OWNER/NAME[:FILE][@REVISION]``, and convert it. Blocks.

        Raises as :func:`~app.models.hub_references.resolve` and :func:`~app.models.fetch_model.fetch_model` do.
        """
        store_dir = self.catalog.store_dir
        if is_hub_reference(reference):
            manifest = resolve(reference, store_dir, cancelled)
        else:
            manifest = self.get_readable(reference)
        fetched = fetch_model(manifest, store_dir, on_progress, cancelled, to=to)
        self.catalog.refresh()
        return fetched

    def import_files(
        self, source: Path, name: str, base: str, to: ConvertTo, on_progress: OnProgress, cancelled: Cancelled
    ) -> Imported:
        """Import a model or an adapter under `name`, and convert it. Blocks.

        `base`: for delta weights, the path or id of the base model; else "". Raises :class:`InvalidImport`, and as
        :func:`~app.weights.importing.importer.import_model` does.
        """
        store_dir = self.catalog.store_dir
        found = self._base_path(base) if base else None
        imported = import_model(source, store_dir, name, on_progress, cancelled, base=found)
        if imported.kind == "model":
            convert_where_wanted(imported.folder, store_dir, on_progress, cancelled, to=to)
        self.catalog.refresh()
        return imported

    def convert(self, model_id: str, to: str, on_progress: OnProgress, cancelled: Cancelled) -> Path:
        """Convert a Hugging Face model to GGUF in the number format `to`; returns the file. Blocks.

        Raises :class:`ModelNotFound`, :class:`ModelNotFetched`, :class:`InvalidImport`.
        """
        folder = convertible_folder(self.catalog.get(model_id), self.catalog.files)
        path = convert_folder(folder, self.catalog.store_dir, to, on_progress, cancelled)
        self.catalog.refresh()
        return path

    def check(self, model_id: str, on_progress: OnProgress) -> None:
        """Read every file of a model again and compare its checksum. Blocks.

        Raises :class:`~app.errors.ModelError` for a model that is damaged or not downloaded.
        """

        def on_bytes(done: int, total: int) -> None:
            on_progress(Progress("verifying", done, total))

        self.catalog.verify(model_id, again=True, on_progress=on_bytes)

    def offered_with(self, adapter_folder: Path) -> list[str]:
        """The ids of the models that list an adapter."""
        models = self.catalog.list()
        return [m.id for m in models if any(Path(adapter.path) == adapter_folder for adapter in m.adapters)]

    # -- private -----------------------------------------------------------------------------------

    def _arriving_or_known(self, reference: str) -> Manifest:
        arriving = (manifest for manifest in self.fetches.arriving() if manifest.base_id == reference)
        return next(arriving, None) or self.catalog.get(reference)

    def _base_path(self, base: str) -> Path:
        path = Path(base).expanduser()
        if path.exists():
            return path
        try:
            manifest = self.catalog.get(base)
        except (ModelNotFound, UnsupportedRequest) as err:
            text = f"The base {base} is not a file, a folder or a model in the store. {err.message}"
            raise InvalidImport(text) from err
        return self.catalog.files.folder(manifest)

    async def _refresh_regularly(self) -> None:
        announced = self._revision
        while True:
            await asyncio.sleep(_REFRESH_INTERVAL_S)
            try:
                await asyncio.to_thread(self._refresh)
            except OSError as err:  # such as a network disk that is offline
                log.warning("The model store can't be read: %s", err)
            if self._revision != announced:  # found here, or by somebody's request in between
                announced = self._revision
                self.events.notify()

    def _refresh(self) -> None:
        """Check files and installed packages, and count what has changed. Blocks."""
        changed = self.catalog.refresh()
        engines = {variant.manifest.engine for e in self.catalog.entries() for variant in (e, *e.variants)}
        found = {engine: missing for engine in engines if (missing := self._loaded.missing_extra(engine))}
        if {k: v.message for k, v in found.items()} != {k: v.message for k, v in self._missing_extras.items()}:
            self._missing_extras = found
            changed = True
        if changed:
            self._revision += 1

    def _live_state(self, languages: Sequence[str]) -> LiveState:
        """The live state from which views of models are made. Blocks."""
        default = self.default_model(languages)
        default_id = parse(default).base if default else None
        memory = self.catalog.budget.snapshot()
        missing = self._missing_extras
        recommendation = Recommendation(self.catalog.entries(), memory, missing)
        recommended_id = recommendation.model_id(languages)
        return LiveState(self.fetches, self._loaded, missing, memory, default_id, recommendation, recommended_id)


def _log_failure(task: asyncio.Task[None]) -> None:
    """Report what ended the regular refresh: without it, new files are not noticed any more."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("The model list is no longer refreshed. Restart Parley.", exc_info=error)
