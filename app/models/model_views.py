"""View models of the model list: catalog entries combined with the state of fetches and memory at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.errors import InvalidManifest, MissingExtra, ParleyError
from app.models.catalog import CatalogEntry, ModelStatus
from app.models.fetches import Fetches
from app.models.loaded_models import LoadedModels
from app.models.manifest import Manifest
from app.models.memory import MemorySnapshot
from app.models.recommendation import Recommendation, Tier
from app.weights.progress import Progress

ViewState = Literal["not_fetched", "fetching", "damaged", "ready", "loading", "loaded", "failed"]
Device = Literal["cpu", "gpu"]


@dataclass(frozen=True, slots=True)
class VariantView:
    """One variant of a model."""

    manifest: Manifest
    state: ViewState
    status: ModelStatus
    fits: bool | None  # into the memory that is free now; None if what it needs is unknown
    device: Device
    load_share: float | None  # how much of it is in memory while it loads, 0 … 0.99; None if unknown
    error: ParleyError | None  # why it can't be loaded, or why the last load failed


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model in its default variant, with all its variants and adapters."""

    manifest: Manifest
    state: ViewState
    status: ModelStatus
    fits: bool | None
    device: Device  # the device whose memory it needs
    load_share: float | None
    error: ParleyError | None
    progress: Progress | None  # of a running fetch
    arriving: bool  # requested by its Hub name and not in the catalog yet
    default: bool  # whether it is used if no model is chosen
    recommended: bool  # whether it suits this computer and the reader best
    tier: Tier | None
    variants: tuple[VariantView, ...]
    adapter_problems: Mapping[str, str]  # adapter name → why it can't be used


@dataclass(frozen=True, slots=True)
class Listing:
    """All models, the errors of unreadable manifests, and the memory of this machine."""

    models: tuple[ModelView, ...]
    problems: tuple[InvalidManifest, ...]
    memory: MemorySnapshot


@dataclass(frozen=True, slots=True)
class LiveState:
    """The state that changes without changes of files; makes views of catalog entries."""

    fetches: Fetches
    loaded: LoadedModels
    missing_extras: Mapping[str, MissingExtra]  # by engine name
    memory: MemorySnapshot
    default_id: str | None
    recommendation: Recommendation
    recommended_id: str | None

    def model_view(self, entry: CatalogEntry, *, arriving: bool) -> ModelView:
        """The view of `entry` at this moment."""
        manifest = entry.manifest
        usual = self._variant_view(entry)
        progress = self.fetches.progress(manifest.base_id)
        return ModelView(
            manifest=manifest,
            state="fetching" if progress is not None else usual.state,
            status=usual.status,
            fits=usual.fits,
            device=usual.device,
            load_share=usual.load_share,
            error=self.fetches.last_error(manifest.base_id) or usual.error,
            progress=progress,
            arriving=arriving,
            default=manifest.base_id == self.default_id,
            recommended=manifest.base_id == self.recommended_id,
            tier=self.recommendation.tier(manifest),
            variants=tuple(self._variant_view(variant) for variant in entry.variants),
            adapter_problems=entry.adapter_problems,
        )

    def _variant_view(self, entry: CatalogEntry) -> VariantView:
        manifest, status = entry.manifest, entry.status
        fits = self.memory.fits(status.memory, manifest.id)
        missing = self.missing_extras.get(manifest.engine) if status.state == "ready" else None
        on_gpu = self.memory.vram is not None and status.memory is not None and status.memory.on_gpu
        device: Device = "gpu" if on_gpu else "cpu"
        state, error = self._state(entry, missing), missing or self.loaded.error(manifest.id)
        load_share = self.loaded.load_share(manifest.id) if state == "loading" else None
        return VariantView(manifest, state, status, fits, device, load_share, error)

    def _state(self, entry: CatalogEntry, missing: MissingExtra | None) -> ViewState:
        """The state of the files; for downloaded models, the state in memory."""
        if entry.status.state != "ready":
            return entry.status.state
        if missing is not None:
            return "failed"
        in_memory = self.loaded.state(entry.manifest.id)
        return "ready" if in_memory == "unloaded" else in_memory
