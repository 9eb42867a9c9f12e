"""Plans how to load a model, from its manifest, the settings and its files."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.config import Settings
from app.engine.base import EngineFactory, LoadPlan
from app.engine.templates.native_format import native_format
from app.engine.templates.renderer import TemplateRenderer
from app.engine.threads import available_cores
from app.errors import DamagedWeights, InvalidManifest
from app.families import Family, load_families
from app.models.catalog import Catalog
from app.models.manifest import Manifest
from app.models.memory import MemoryEstimate


@dataclass(frozen=True, slots=True)
class Planned:
    """A load plan with its memory estimate and the weights' checksum."""

    plan: LoadPlan
    estimate: MemoryEstimate | None  # None: unknown, or no local weights
    digest: str  # of its weights


class Planner:
    """Creates load plans, and checks later that the files are unchanged."""

    def __init__(self, settings: Settings, catalog: Catalog, templates: TemplateRenderer) -> None:
        self._settings = settings
        self._catalog = catalog
        self._templates = templates
        self._families = load_families()

    def plan(self, manifest: Manifest, factory: EngineFactory) -> Planned:
        """The plan with all configured slots. **Blocks** while checksums are computed.

        Raises as :meth:`app.models.catalog.Catalog.weights` does, and :class:`InvalidManifest`.
        """
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
            return Planned(plan, None, digest)
        weights, adapters = self._catalog.weights(manifest.id), self._catalog.adapters(manifest.id)
        native = native_format(self._templates, weights) if plan.family.render is None else None
        plan = replace(plan, weights=weights, adapters=adapters, native=native)
        estimate = self._catalog.memory(manifest.id)
        if estimate is None:
            return Planned(plan, None, digest)
        plan = replace(plan, context_tokens=estimate.context_tokens, slots=estimate.slots)
        return Planned(plan, estimate, digest)

    def check_unchanged(self, model_id: str, digest: str) -> None:
        """Raise :class:`DamagedWeights` when the files differ from those that were loaded. **Blocks**."""
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
