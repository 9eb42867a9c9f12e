"""Find manifests: the shipped ones, a user's own, and those implied by weights that were just dropped in.

    <store>/manifests/*.toml     a user's own; one with the id of a shipped one takes its place
    <store>/weights/*.gguf       without a manifest: gets one made of its header
    <store>/weights/*/*.gguf     the same, where there is no config.json beside it (then it is its conversion)
    <store>/weights/*/           a Hugging Face folder without a manifest: gets one made of its config.json
    <store>/adapters/*/          LoRA weights and P-tuning prefixes: shown with the models that they name as their base

Everything is looked up anew each time, since a user drops files while the server runs; what has not changed
(same size, same time) is not read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import DamagedWeights, InvalidManifest, ModelNotFetched
from app.models.adapters import found_adapters, names_of
from app.models.checkpoint_folders import completed, implied_model, is_model_folder
from app.models.engine_input import EngineInputs
from app.models.manifest import FOUND, Manifest
from app.models.manifest_reader import load_manifest
from app.models.model_files import FolderStamp, ModelFiles, folder_stamp
from app.weights.checksums import Stamp, stamp
from app.weights.formats.gguf import GGUFHeader
from app.weights.formats.sha256sums import CHECKSUM_FILE, read_checksums
from app.weights.formats.shards import model_stem, parse_shard
from app.weights.sources import FolderSource, HubSource, ModelFile, WheelSource, safe_relative


@dataclass(frozen=True, slots=True)
class Found:
    """All manifests by id, in the order in which they are shown, and what could not be read."""

    manifests: dict[str, Manifest]
    problems: tuple[InvalidManifest, ...]


class Discovery:
    """Scans one store, and the shipped manifests beside it."""

    def __init__(
        self, store_dir: Path, shipped_dir: Path, files: ModelFiles, engines: EngineInputs | None = None
    ) -> None:
        self._store = store_dir
        self._shipped = shipped_dir
        self._files = files
        self._engines = engines
        self._loaded: dict[Path, tuple[Stamp, Manifest | InvalidManifest]] = {}
        self._checksums: dict[Path, tuple[Stamp, dict[str, str]]] = {}
        self._completions: dict[str, tuple[tuple[Manifest, FolderStamp, list[FolderStamp]], Manifest]] = {}

    def scan(self) -> Found:
        """A user's own manifests first, then implied ones, then the shipped ones that nothing replaces."""
        own_dir = self._store / "manifests"
        problems: list[InvalidManifest] = []
        shipped = self._folder(self._shipped, problems)
        # In a checkout the store is the package itself: then there is but one folder.
        own = {} if own_dir.resolve() == self._shipped.resolve() else self._folder(own_dir, problems)
        described = {**{k: self._dropped_in(v) for k, v in shipped.items()}, **own}
        claimed = {self._files.folder(m) / f.path for m in described.values() for f in m.files}
        folders = {self._files.folder(m).resolve() for m in described.values() if m.engine == "torch"}
        implied = self._implied(claimed, taken=described)
        implied |= self._implied_folders(folders, taken=[*described, *implied])
        manifests = {**own, **implied, **{k: v for k, v in described.items() if k not in own}}
        beside = [folder_stamp(folder) for folder in sorted((self._store / "adapters").glob("*/"))]
        return Found(
            {k: self._with_checksums(self._completed(m, beside)) for k, m in manifests.items()}, tuple(problems)
        )

    def _dropped_in(self, shipped: Manifest) -> Manifest:
        """The shipped description of a hub's model, of the folder that a user put into the store under its name.

        ``weights/ChatGLM-6B`` is ``chatglm-6b``, in letters that are the user's.
        """
        if not isinstance(shipped.source, HubSource) or shipped.engine != "torch":
            return shipped
        if (self._store / "weights" / shipped.id).exists():
            return shipped
        for folder in sorted((self._store / "weights").glob("*/")):
            if folder.name.lower() == shipped.id and is_model_folder(folder):
                return replace(shipped, source=FolderSource(f"weights/{folder.name}"), files=())
        return shipped

    def _completed(self, manifest: Manifest, beside: list[FolderStamp]) -> Manifest:
        """A torch model's manifest says no more than it must: the rest is in the folder. Adapters lie beside models."""
        if manifest.engine not in ("torch", "llama_cpp") or (manifest.engine == "llama_cpp" and not beside):
            return manifest
        folder = self._files.folder(manifest)
        state = (manifest, folder_stamp(folder), beside)
        cached = self._completions.get(manifest.id)
        if cached is None or cached[0] != state:
            whole = completed(manifest, self._files) if manifest.engine == "torch" else manifest
            named = [adapter.name for adapter in whole.adapters]
            names = names_of(whole, folder, self._header(whole))
            found = found_adapters(self._store / "adapters", names, taken=named)
            cached = self._completions[manifest.id] = (state, replace(whole, adapters=(*whole.adapters, *found)))
        return cached[1]

    def _with_checksums(self, manifest: Manifest) -> Manifest:
        """Where the manifest names no checksum for a file, take the one in ``SHA256SUMS`` in its folder."""
        if not manifest.files or isinstance(manifest.source, WheelSource):
            return manifest
        folder = self._files.folder(manifest)
        try:
            now = stamp(folder / CHECKSUM_FILE)
        except OSError:
            return manifest
        cached = self._checksums.get(folder)
        if cached is None or cached[0] != now:
            cached = self._checksums[folder] = (now, _checksums_in(folder))
        checksums = cached[1]

        def completed(files: tuple[ModelFile, ...]) -> tuple[ModelFile, ...]:
            return tuple(replace(file, sha256=file.sha256 or checksums.get(file.path)) for file in files)

        variants = tuple(replace(variant, files=completed(variant.files)) for variant in manifest.variants)
        return replace(manifest, files=completed(manifest.files), variants=variants)

    def _header(self, manifest: Manifest) -> GGUFHeader | None:
        """Of a GGUF model that is there and whole as far as can be seen."""
        if manifest.engine != "llama_cpp":
            return None
        try:
            self._files.present(manifest)
            return self._files.header(manifest)
        except (ModelNotFetched, DamagedWeights):
            return None

    def _folder(self, folder: Path, problems: list[InvalidManifest]) -> dict[str, Manifest]:
        found: dict[str, Manifest] = {}
        origin: dict[str, Path] = {}
        for path in sorted(folder.glob("*.toml")):
            loaded = self._load(path)
            if isinstance(loaded, InvalidManifest):
                problems.append(loaded)
            elif loaded.id in found:
                first = origin[loaded.id]
                text = f"{path}: the id {loaded.id!r} is already used by {first}. Change one of them."
                problems.append(InvalidManifest(text, path=str(path), key="id"))
            else:
                found[loaded.id] = loaded
                origin[loaded.id] = path
        return found

    def _load(self, path: Path) -> Manifest | InvalidManifest:
        try:
            now = stamp(path)
        except OSError as err:
            return InvalidManifest(f"{path}: cannot be read ({err.strerror}).", path=str(path))
        cached = self._loaded.get(path)
        if cached is None or cached[0] != now:
            try:
                cached = (now, load_manifest(path, self._engines))
            except InvalidManifest as err:
                cached = (now, err)
            self._loaded[path] = cached
        return cached[1]

    def _implied(self, claimed: set[Path], taken: Iterable[str]) -> dict[str, Manifest]:
        implied: dict[str, Manifest] = {}
        ids = set(taken)
        for path, stem in self._loose_files():
            names = _parts(path.name)
            if path in claimed or not names or not safe_relative(path.name):
                continue
            model_id = next(name for name in _ids(stem) if name not in ids)
            ids.add(model_id)
            implied[model_id] = self._describe(model_id, path.parent.relative_to(self._store), names)
        return implied

    def _loose_files(self) -> Iterator[tuple[Path, str]]:
        """GGUF files of no Hugging Face folder, each with what its model is called: one alone in a folder like it."""
        weights = self._store / "weights"
        for path in sorted(weights.glob("*.gguf")):
            yield path, model_stem(path.name)
        for folder in sorted(weights.glob("*/")):
            if folder.name.startswith(".") or is_model_folder(folder) or not safe_relative(folder.name):
                continue
            paths = [path for path in sorted(folder.glob("*.gguf")) if _parts(path.name)]
            for path in paths:
                yield path, folder.name if len(paths) == 1 else model_stem(path.name)

    def _implied_folders(self, claimed: set[Path], taken: Iterable[str]) -> dict[str, Manifest]:
        implied: dict[str, Manifest] = {}
        ids = set(taken)
        for folder in sorted((self._store / "weights").glob("*/")):
            if not is_model_folder(folder) or folder.resolve() in claimed or not safe_relative(folder.name):
                continue
            model_id = next(name for name in _ids(folder.name) if name not in ids)
            ids.add(model_id)
            implied[model_id] = implied_model(model_id, folder)
        return implied

    def _describe(self, model_id: str, folder: Path, names: list[str]) -> Manifest:
        bare = Manifest(
            id=model_id,
            title=model_stem(names[0]) if folder == Path("weights") else folder.name,
            family="native",
            engine="llama_cpp",
            description=FOUND["en"],
            translations=FOUND,
            source=FolderSource(folder.as_posix()),
            files=tuple(ModelFile(name) for name in names),
        )
        try:
            header = self._files.header(bare)
        except DamagedWeights:  # still listed: its status says what is wrong with it
            return bare
        if header is None:
            return bare
        return replace(
            bare,
            parameters=header.size_label,
            licence=header.licence,
            quantization=header.quantization,
            context_tokens=header.context_tokens,
        )


def _checksums_in(folder: Path) -> dict[str, str]:
    """None at all from a list that can't be read: ``parley models check`` and the next import tell what is wrong."""
    try:
        return read_checksums(folder)
    except DamagedWeights:
        return {}


def _parts(name: str) -> list[str]:
    """The names of all parts when this is the first of them; nothing for a later part; else just the name."""
    shard = parse_shard(name)
    if shard is None:
        return [name]
    return shard.all_names() if shard.is_first else []


def _ids(stem: str) -> Iterator[str]:
    """Ids made of a file's or folder's name, the plain one first."""
    base = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).lstrip("._-")[:56] or "model"
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1
