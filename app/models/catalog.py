"""The catalog: every model that this installation knows, its state, and the path to its weights."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.errors import DamagedWeights, InvalidManifest, ModelNotFetched, ModelNotFound, UnsupportedRequest
from app.models.discovery import Discovery, Found
from app.models.engine_input import EngineInputs
from app.models.manifest import Manifest, UpstreamSource
from app.models.memory import MemoryBudget, MemoryEstimate, download_bytes, estimate_model
from app.models.model_files import ModelFiles, OnProgress
from app.models.references import MAX_REFERENCE_CHARS, parse
from app.models.store_stamp import StoreStamp, store_stamp
from app.weights.sources import FolderSource
from model_store import manifests_dir

if TYPE_CHECKING:
    from app.config import Settings

State = Literal["not_fetched", "ready", "damaged"]


def _not_found(text: str, reference: str, known: list[str]) -> ModelNotFound:
    return ModelNotFound(text, model_id=reference[:MAX_REFERENCE_CHARS], known=known)


def _available(names: Sequence[str]) -> str:
    return f"available: {', '.join(names)}" if names else "it has none"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What the names, sizes and headers of a model's files say of it."""

    state: State
    size_bytes: int | None
    memory: MemoryEstimate | None  # None if unknown
    detail: str  # the reason for the state and what to do; for a ready model a note on its files; usually ""
    verified: bool = False  # every checksum in the manifest was computed and matches


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A model and the state of its files."""

    manifest: Manifest
    status: ModelStatus
    fits_machine: bool  # whether it fits into this machine's memory if nothing else uses it
    variants: tuple[CatalogEntry, ...] = ()  # all of them, the default first; empty if there is no choice
    adapter_problems: Mapping[str, str] = field(default_factory=dict)  # adapter name → why it can't be used


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The result of a scan of the store, and the store's stamp before it."""

    stamp: StoreStamp
    found: Found
    entries: tuple[CatalogEntry, ...]


class Catalog:
    """All models of a store. Thread-safe.

    By default each call scans the store, which takes some milliseconds. After :meth:`cache`, ``list``, ``get``,
    ``entries`` and ``problems`` return the state of the store at the last :meth:`refresh`, from memory.
    """

    def __init__(
        self,
        store_dir: Path,
        *,
        shipped_dir: Path | None = None,
        engines: EngineInputs | None = None,
        context_tokens: int = 4096,
        slots: int = 0,
        budget: MemoryBudget | None = None,
    ) -> None:
        self.store_dir = store_dir.absolute()
        self._context_tokens = context_tokens
        self._slots = slots
        self.budget = budget or MemoryBudget()
        self.files = ModelFiles(self.store_dir)
        self._shipped_dir = shipped_dir or manifests_dir()
        self._discovery = Discovery(self.store_dir, self._shipped_dir, self.files, engines)
        self._snapshot: _Snapshot | None = None
        self._refreshing = threading.Lock()

    @classmethod
    def from_settings(cls, settings: Settings, engines: EngineInputs | None = None) -> Catalog:
        """The catalog for these settings; a manifest for an engine that is not in `engines` is listed as a problem."""
        return cls(
            settings.model_store,
            engines=engines,
            context_tokens=settings.context_tokens,
            slots=settings.slots,
            budget=MemoryBudget(settings.memory_limit_mib << 20),
        )

    def cache(self) -> None:
        """Scan the store and keep the result in memory; :meth:`refresh` must be called regularly afterwards. Blocks."""
        with self._refreshing:
            self._snapshot = self._scan_store(self._discovery.scan())

    def refresh(self) -> bool:
        """Scan the store again if it has changed; returns whether the models did. Blocks, usually for less than 1 ms.

        Does nothing if :meth:`cache` was not called.
        """
        with self._refreshing:
            before = self._snapshot
            if before is None or self._stamp(before.found) == before.stamp:
                return False
            self._snapshot = self._scan_store(before.found)
            return self._snapshot.entries != before.entries or self._snapshot.found != before.found

    def entries(self) -> tuple[CatalogEntry, ...]:
        """All models in the order of :meth:`list`, each with the state of its files."""
        snapshot = self._snapshot
        return snapshot.entries if snapshot else self._entries(self._found())

    def entry(self, manifest: Manifest) -> CatalogEntry:
        """One model, which need not be in the catalog, with its variants and adapters. Reads its files' metadata."""
        variants = tuple(self._variant(manifest.loaded_as(name)) for name in manifest.quantizations)
        usual = self._variant(manifest)
        return replace(usual, variants=variants, adapter_problems=self._adapter_problems(manifest))

    @property
    def problems(self) -> list[InvalidManifest]:
        """The errors of manifests that could not be read; all other models are still listed."""
        return list(self._found().problems)

    def list(self) -> tuple[Manifest, ...]:
        """All models in their default variant: the user's manifests, then weights without one, then shipped ones."""
        return tuple(manifest.loaded_as("") for manifest in self._found().manifests.values())

    def get(self, reference: str) -> Manifest:
        """One model, in the variant that `reference` names; an adapter that it names must exist.

        Raises :class:`ModelNotFound`, whose message names what is available instead.
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
                f"{manifest.title} can't be loaded as {wanted.quantization!r}; {_available(manifest.quantizations)}.",
                reference,
                [f"{manifest.id}@{name}" for name in manifest.quantizations],
            )
        names = [adapter.name for adapter in manifest.adapters]
        if wanted.adapter and wanted.adapter not in names:
            raise _not_found(
                f"{manifest.title} has no adapter {wanted.adapter!r}; {_available(names)}.",
                reference,
                [f"{manifest.id}+{name}" for name in names],
            )
        return manifest.loaded_as(wanted.quantization)

    def status(self, reference: str) -> ModelStatus:
        """The status of the model that `reference` names. Raises :class:`ModelNotFound`."""
        return self._status(self.get(reference))

    def _status(self, manifest: Manifest) -> ModelStatus:
        """State, size and memory of a model, from its files' metadata: nothing is hashed, headers are cached."""
        if not manifest.files:
            return ModelStatus("ready", None, None, "", verified=True)
        try:
            paths = self.files.present(manifest)
            estimate = self._memory_estimate(manifest)
            size = sum(path.stat().st_size for path in paths)
            verified = self._verified(manifest)
        except ModelNotFetched as err:
            estimate = self._memory_estimate(manifest, fetched=False)
            return ModelStatus("not_fetched", download_bytes(manifest), estimate, err.message)
        except DamagedWeights as err:
            return ModelStatus("damaged", manifest.size_bytes, None, err.message)
        except OSError as err:  # removed between the two reads
            return ModelStatus(
                "damaged", manifest.size_bytes, None, f"Its files are changing right now: {err.strerror}."
            )
        return ModelStatus("ready", size, estimate, manifest.note, verified)

    def memory(self, reference: str) -> MemoryEstimate | None:
        """The memory a model needs with the context and slots of the settings; ``None`` if unknown.

        Raises :class:`ModelNotFound`, :class:`DamagedWeights`.
        """
        manifest = self.get(reference)
        try:
            self.files.present(manifest)
        except ModelNotFetched:
            return self._memory_estimate(manifest, fetched=False)
        return self._memory_estimate(manifest)

    def weights(self, reference: str) -> Path:
        """The path that an engine opens (a file; for torch the folder), after verification. **Blocks** while hashing.

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
        """The folders of the model's usable adapters, by name. Reads their headers."""
        manifest = self.get(reference)
        usable = {}
        for adapter in manifest.adapters:
            with contextlib.suppress(DamagedWeights):
                usable[adapter.name] = self.files.adapter(manifest, adapter)
        return usable

    def check_adapter(self, reference: str) -> None:
        """Raises :class:`DamagedWeights` if the adapter in `reference` is damaged or made for another model."""
        manifest, name = self.get(reference), parse(reference).adapter
        for adapter in manifest.adapters:
            if adapter.name == name:
                self.files.adapter(manifest, adapter)

    def verify(
        self, reference: str, *, again: bool = False, on_progress: OnProgress = lambda _done, _total: None
    ) -> None:
        """Check all files; `again`: also those verified before. **Blocks.** Raises as ``weights`` does."""
        self.files.verify(self.get(reference), again=again, on_progress=on_progress)

    def digest(self, reference: str) -> str:
        """SHA-256 of the weights; for a model on another server, of its address and name. **Blocks** at the first call.

        Several files: SHA-256 of the lines ``"<sha256>  <path>\\n"`` in the manifest's order, as ``sha256sum`` prints.
        Raises :class:`ModelNotFound`, :class:`ModelNotFetched`, :class:`DamagedWeights`.
        """
        manifest = self.get(reference)
        if not manifest.files:
            source = manifest.source
            name = f"{source.base_url}\n{source.model}" if isinstance(source, UpstreamSource) else manifest.base_id
            return hashlib.sha256(name.encode()).hexdigest()
        paths = self.files.present(manifest)
        digests = [f.sha256 or self.files.checksums.sha256(p) for f, p in zip(manifest.files, paths, strict=True)]
        if len(digests) == 1:
            return digests[0]
        lines = "".join(f"{digest}  {f.path}\n" for digest, f in zip(digests, manifest.files, strict=True))
        return hashlib.sha256(lines.encode()).hexdigest()

    def _found(self) -> Found:
        snapshot = self._snapshot
        return snapshot.found if snapshot else self._discovery.scan()

    def _scan_store(self, known: Found) -> _Snapshot:
        stamp = self._stamp(known)  # before the scan, so that the next refresh notices changes made during it
        found = self._discovery.scan()
        return _Snapshot(stamp, found, self._entries(found))

    def _stamp(self, found: Found) -> StoreStamp:
        named = (m for m in found.manifests.values() if isinstance(m.source, FolderSource))
        return store_stamp(self.store_dir, self._shipped_dir, map(self.files.folder, named))

    def _entries(self, found: Found) -> tuple[CatalogEntry, ...]:
        return tuple(self.entry(manifest.loaded_as("")) for manifest in found.manifests.values())

    def _variant(self, manifest: Manifest) -> CatalogEntry:
        status = self._status(manifest)
        return CatalogEntry(manifest, status, self.budget.could_hold(status.memory))

    def _adapter_problems(self, manifest: Manifest) -> dict[str, str]:
        problems = {}
        for adapter in manifest.adapters:
            try:
                self.files.adapter(manifest, adapter)
            except DamagedWeights as err:
                problems[adapter.name] = err.message
        return problems

    def _verified(self, manifest: Manifest) -> bool:
        folder = self.files.folder(manifest)
        return all(f.sha256 is None or self.files.checksums.known(folder / f.path) == f.sha256 for f in manifest.files)

    def _context(self, manifest: Manifest) -> int:
        return min(self._context_tokens, manifest.context_tokens or self._context_tokens)

    def _memory_estimate(self, manifest: Manifest, *, fetched: bool = True) -> MemoryEstimate | None:
        return estimate_model(
            manifest, self.files if fetched else None, context_tokens=self._context(manifest), slots=self._slots
        )
