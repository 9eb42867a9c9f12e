"""The catalog: every model that this installation knows, its state, and the way to its weights."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.errors import DamagedWeights, InvalidManifest, ModelNotFetched, ModelNotFound, UnsupportedRequest
from app.models.discovery import Discovery, Found
from app.models.manifest import Manifest, UpstreamSource
from app.models.memory.estimate import MemoryEstimate, available_bytes, total_bytes
from app.models.memory.model_estimate import estimate, estimate_before, size_before
from app.models.model_files import ModelFiles, OnProgress
from app.models.references import MAX_REFERENCE_CHARS, parse
from model_store import manifests_dir

if TYPE_CHECKING:
    from app.config import Settings

State = Literal["not_fetched", "ready", "damaged"]


def _not_found(text: str, reference: str, known: list[str]) -> ModelNotFound:
    return ModelNotFound(text, model_id=reference[:MAX_REFERENCE_CHARS], known=known)


def _or_none(names: Sequence[str]) -> str:
    return f"available: {', '.join(names)}" if names else "it has none"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What can be said of a model without loading it. ``fits`` is ``None`` where its need is not known."""

    state: State
    size_bytes: int | None
    memory: MemoryEstimate | None
    fits: bool | None
    detail: str  # why, and what to do; of a ready one, what its owner should know; mostly ""
    verified: bool = False  # every sum that the manifest names was computed and is right


class Catalog:
    """All models of a store. Its methods may be called from any thread; only those that say so block."""

    def __init__(
        self,
        store_dir: Path,
        *,
        shipped_dir: Path | None = None,
        context_tokens: int = 4096,
        slots: int = 0,
        memory_limit_bytes: int = 0,
    ) -> None:
        self.store_dir = store_dir.absolute()
        self._context_tokens = context_tokens
        self._slots = slots
        self._memory_limit_bytes = memory_limit_bytes
        self.files = ModelFiles(self.store_dir)
        self._discovery = Discovery(self.store_dir, shipped_dir or manifests_dir(), self.files)

    @classmethod
    def from_settings(cls, settings: Settings) -> Catalog:
        """The catalog that the settings ask for."""
        return cls(
            settings.model_store,
            context_tokens=settings.context_tokens,
            slots=settings.slots,
            memory_limit_bytes=settings.memory_limit_mib << 20,
        )

    @property
    def problems(self) -> list[InvalidManifest]:
        """Manifests that could not be read; the others work all the same."""
        return list(self._found().problems)

    def list(self) -> tuple[Manifest, ...]:
        """All models, each as it is loaded by default: a user's own first, then weights in the store, then shipped."""
        return tuple(manifest.loaded_as("") for manifest in self._found().manifests.values())

    def get(self, reference: str) -> Manifest:
        """One model, with the quantization that `reference` names chosen; its adapter must exist.

        Raises :class:`ModelNotFound`, which says what there is instead.
        """
        wanted = parse(reference)
        manifests = self._found().manifests
        manifest = manifests.get(wanted.base)
        if manifest is None:
            close = difflib.get_close_matches(wanted.base[:64], manifests, n=1)
            hint = f"Did you mean {close[0]}?" if close else "See: parley models list"
            raise _not_found(f"There is no model named {wanted.base[:64]!r}. {hint}", reference, sorted(manifests))
        if wanted.quantization and wanted.quantization not in manifest.quantizations:
            raise _not_found(
                f"{manifest.title} can't be loaded as {wanted.quantization!r}; {_or_none(manifest.quantizations)}.",
                reference,
                [f"{manifest.id}@{name}" for name in manifest.quantizations],
            )
        names = [adapter.name for adapter in manifest.adapters]
        if wanted.adapter and wanted.adapter not in names:
            raise _not_found(
                f"{manifest.title} has no adapter {wanted.adapter!r}; {_or_none(names)}.",
                reference,
                [f"{manifest.id}+{name}" for name in names],
            )
        return manifest.loaded_as(wanted.quantization)

    def status(self, reference: str, *, freeable_bytes: int = 0) -> ModelStatus:
        """The status of the model that `reference` names. Raises :class:`ModelNotFound`."""
        return self.status_of(self.get(reference), freeable_bytes=freeable_bytes)

    def status_of(self, manifest: Manifest, *, freeable_bytes: int = 0) -> ModelStatus:
        """State, size, memory. Cheap enough to be asked each second: nothing is hashed, headers are cached.

        `freeable_bytes`: what unloading other models would free; it counts as available for ``fits``.
        """
        if not manifest.files:
            return ModelStatus("ready", None, None, None, "", verified=True)
        try:
            paths = self.files.present(manifest)
            memory = self._memory(manifest)
            size = sum(path.stat().st_size for path in paths)
            verified = self._verified(manifest)
        except ModelNotFetched as err:
            memory = self._unseen(manifest)
            fetched = size_before(manifest)
            return ModelStatus("not_fetched", fetched, memory, self._fits(memory, freeable_bytes), err.message)
        except DamagedWeights as err:
            return ModelStatus("damaged", manifest.size_bytes, None, None, err.message)
        except OSError as err:  # taken away between two looks
            return ModelStatus(
                "damaged", manifest.size_bytes, None, None, f"Its files are changing right now: {err.strerror}."
            )
        return ModelStatus("ready", size, memory, self._fits(memory, freeable_bytes), manifest.note, verified)

    def memory(self, reference: str) -> MemoryEstimate | None:
        """What it takes when loaded with the context and slots of the settings; ``None`` where that is unknown.

        Raises :class:`ModelNotFound`, :class:`DamagedWeights`.
        """
        manifest = self.get(reference)
        try:
            self.files.present(manifest)
        except ModelNotFetched:
            return self._unseen(manifest)
        return self._memory(manifest)

    def suits(self, reference: str) -> bool:
        """Whether this machine could hold the model if nothing else needed its memory; true where that is unknown."""
        memory = self.status(reference).memory
        return memory is None or memory.total_bytes <= min(total_bytes(), self._memory_limit_bytes or total_bytes())

    def weights(self, reference: str) -> Path:
        """What an engine opens (a file; torch: the folder), once all is checked. **Blocks** where sums are computed.

        Raises :class:`ModelNotFound`, :class:`ModelNotFetched`, :class:`DamagedWeights`.
        """
        manifest = self.get(reference)
        if manifest.engine == "torch":
            self.files.verify(manifest)
            return self.files.folder(manifest)
        main = manifest.weights_file
        if main is None:
            raise UnsupportedRequest(f"{manifest.title} has no weights on this computer.", field="model_id")
        self.files.verify(manifest)
        return self.files.folder(manifest) / main.path

    def adapters(self, reference: str) -> dict[str, Path]:
        """The folders of the model's adapters by name: those that are whole and fit it. Reads headers."""
        manifest = self.get(reference)
        sound = {}
        for adapter in manifest.adapters:
            with contextlib.suppress(DamagedWeights):
                sound[adapter.name] = self.files.adapter(manifest, adapter)
        return sound

    def check_adapter(self, reference: str) -> None:
        """Raises :class:`DamagedWeights` when the adapter that `reference` names is broken or another model's."""
        manifest, name = self.get(reference), parse(reference).adapter
        for adapter in manifest.adapters:
            if adapter.name == name:
                self.files.adapter(manifest, adapter)

    def verify(
        self, reference: str, *, again: bool = False, on_progress: OnProgress = lambda _done, _total: None
    ) -> None:
        """Check all files; `again`: whatever was found before. **Blocks.** Raises as ``weights`` does."""
        self.files.verify(self.get(reference), again=again, on_progress=on_progress)

    def digest(self, reference: str) -> str:
        """SHA-256 of the weights; of what names them where they are elsewhere. **Blocks** at the first call.

        Several files: of the lines ``"<sum>  <path>\\n"`` in the manifest's order, as ``sha256sum`` prints them.
        Raises :class:`ModelNotFound`, :class:`ModelNotFetched`, :class:`DamagedWeights`.
        """
        manifest = self.get(reference)
        if not manifest.files:
            source = manifest.source
            name = f"{source.base_url}\n{source.model}" if isinstance(source, UpstreamSource) else manifest.base_id
            return hashlib.sha256(name.encode()).hexdigest()
        paths = self.files.present(manifest)
        sums = [f.sha256 or self.files.sums.sha256(p) for f, p in zip(manifest.files, paths, strict=True)]
        if len(sums) == 1:
            return sums[0]
        lines = "".join(f"{digest}  {f.path}\n" for digest, f in zip(sums, manifest.files, strict=True))
        return hashlib.sha256(lines.encode()).hexdigest()

    def _found(self) -> Found:
        return self._discovery.scan()

    def _verified(self, manifest: Manifest) -> bool:
        folder = self.files.folder(manifest)
        return all(f.sha256 is None or self.files.sums.known(folder / f.path) == f.sha256 for f in manifest.files)

    def _context(self, manifest: Manifest) -> int:
        return min(self._context_tokens, manifest.context_tokens or self._context_tokens)

    def _memory(self, manifest: Manifest) -> MemoryEstimate | None:
        return estimate(manifest, self.files, context_tokens=self._context(manifest), slots=self._slots)

    def _unseen(self, manifest: Manifest) -> MemoryEstimate | None:
        return estimate_before(manifest, context_tokens=self._context(manifest), slots=self._slots)

    def _fits(self, memory: MemoryEstimate | None, freeable_bytes: int) -> bool | None:
        if memory is None:
            return None
        available = available_bytes() + freeable_bytes
        return memory.total_bytes <= min(available, self._memory_limit_bytes or available)
