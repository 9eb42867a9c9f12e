"""Find manifests: shipped ones, the user's own, and those generated for weights without a manifest.

    <store>/manifests/*.toml     the user's own; one with the id of a shipped one replaces it
    <store>/weights/*.gguf       without a manifest: one is generated from its header
    <store>/weights/*/*.gguf     the same, if there is no config.json beside it (else it is a conversion)
    <store>/weights/*/           a Hugging Face folder without a manifest: one is generated from its config.json
    <store>/adapters/*/          LoRA weights and P-tuning prefixes: listed with their base model

Every scan lists all folders again, since files may be added while the server runs; files that have not changed (same
size and modification time) are not read again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import DamagedWeights, InvalidManifest, ModelNotFetched
from app.models.adapters import found_adapters, names_of
from app.models.checkpoint_folders import completed, implied_model, is_model_folder
from app.models.engine_input import EngineInputs
from app.models.manifest import FOUND_DESCRIPTION, Manifest, Reasoning
from app.models.manifest_reader import load_manifest
from app.models.model_files import FolderStamp, ModelFiles, folder_stamp
from app.weights.checksums import Stamp, stamp
from app.weights.formats.gguf import GGUFHeader
from app.weights.formats.gguf_purpose import ADAPTER
from app.weights.formats.sha256sums import CHECKSUM_FILE, read_checksums
from app.weights.formats.shards import is_gguf, model_stem, parse_shard
from app.weights.sources import FolderSource, HubSource, ModelFile, WheelSource, safe_relative


@dataclass(frozen=True, slots=True)
class Found:
    """All manifests by id, in the order in which they are listed, and the errors of unreadable ones."""

    manifests: dict[str, Manifest]
    problems: tuple[InvalidManifest, ...]


class Discovery:
    """Scans one store and the shipped manifests."""

    def __init__(
        self, store_dir: Path, shipped_dir: Path, files: ModelFiles, engines: EngineInputs | None = None
    ) -> None:
        self._store = store_dir
        self._shipped = shipped_dir
        self._files = files
        self._engines = engines
        self._manifests: dict[Path, tuple[Stamp, Manifest | InvalidManifest]] = {}
        self._checksums: dict[Path, tuple[Stamp, dict[str, str]]] = {}
        self._completions: dict[str, tuple[tuple[Manifest, FolderStamp, list[FolderStamp]], Manifest]] = {}

    def scan(self) -> Found:
        """The user's own manifests first, then generated ones, then the shipped ones that are not replaced."""
        own_dir = self._store / "manifests"
        problems: list[InvalidManifest] = []
        shipped = self._load_folder(self._shipped, problems)
        # In a checkout the store is the package itself: then both are the same folder.
        own = {} if own_dir.resolve() == self._shipped.resolve() else self._load_folder(own_dir, problems)
        described = {**{k: self._at_user_folder(v) for k, v in shipped.items()}, **own}
        claimed = {self._files.folder(m) / f.path for m in described.values() for f in m.files}
        folders = {self._files.folder(m).resolve() for m in described.values() if m.engine == "torch"}
        generated = self._generated_for_files(claimed, described, problems)
        generated |= self._generated_for_folders(folders, taken=[*described, *generated])
        manifests = {**own, **generated, **{k: v for k, v in described.items() if k not in own}}
        adapters = [folder_stamp(folder) for folder in sorted((self._store / "adapters").glob("*/"))]
        found = {
            k: self._with_checksums(self._with_reasoning(self._completed(m, adapters))) for k, m in manifests.items()
        }
        return Found(_told_apart(found), tuple(problems))

    def _at_user_folder(self, shipped: Manifest) -> Manifest:
        """The shipped manifest of a Hub model, changed to the folder that the user put into the store under its name.

        The name is compared without case: ``weights/ChatGLM-6B`` is ``chatglm-6b``.
        """
        if not isinstance(shipped.source, HubSource) or shipped.engine != "torch":
            return shipped
        if (self._store / "weights" / shipped.id).exists():
            return shipped
        for folder in sorted((self._store / "weights").glob("*/")):
            if folder.name.lower() == shipped.id and is_model_folder(folder):
                return replace(shipped, source=FolderSource(f"weights/{folder.name}"), files=())
        return shipped

    def _completed(self, manifest: Manifest, adapters: list[FolderStamp]) -> Manifest:
        """The manifest with its adapters, and for torch with the fields that its folder tells. Cached."""
        if manifest.engine not in ("torch", "llama_cpp") or (manifest.engine == "llama_cpp" and not adapters):
            return manifest
        folder = self._files.folder(manifest)
        state = (manifest, folder_stamp(folder), adapters)
        cached = self._completions.get(manifest.id)
        if cached is None or cached[0] != state:
            filled = completed(manifest, self._files) if manifest.engine == "torch" else manifest
            named = [adapter.name for adapter in filled.adapters]
            names = names_of(filled, folder, self._header(filled))
            found = found_adapters(self._store / "adapters", names, taken=named)
            cached = self._completions[manifest.id] = (state, replace(filled, adapters=(*filled.adapters, *found)))
        return cached[1]

    def _with_reasoning(self, manifest: Manifest) -> Manifest:
        """The manifest of a GGUF model with what its chat template tells of its reasoning, unless it says so itself."""
        if manifest.reasoning.thinks or manifest.family != "native" or (header := self._header(manifest)) is None:
            return manifest
        return replace(manifest, reasoning=Reasoning.of_template(header.chat_template))

    def _with_checksums(self, manifest: Manifest) -> Manifest:
        """The manifest with checksums from its folder's ``SHA256SUMS`` for files that have none in the manifest."""
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

        def with_checksums(files: tuple[ModelFile, ...]) -> tuple[ModelFile, ...]:
            return tuple(replace(file, sha256=file.sha256 or checksums.get(file.path)) for file in files)

        variants = tuple(replace(variant, files=with_checksums(variant.files)) for variant in manifest.variants)
        return replace(manifest, files=with_checksums(manifest.files), variants=variants)

    def _header(self, manifest: Manifest) -> GGUFHeader | None:
        """The header of a GGUF model whose files are present and readable, else ``None``."""
        if manifest.engine != "llama_cpp":
            return None
        try:
            self._files.present(manifest)
            return self._files.header(manifest)
        except (ModelNotFetched, DamagedWeights):
            return None

    def _load_folder(self, folder: Path, problems: list[InvalidManifest]) -> dict[str, Manifest]:
        found: dict[str, Manifest] = {}
        origin: dict[str, Path] = {}
        for path in sorted(folder.glob("*.toml")):
            loaded = self._load_cached(path)
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

    def _load_cached(self, path: Path) -> Manifest | InvalidManifest:
        try:
            now = stamp(path)
        except OSError as err:
            return InvalidManifest(f"{path}: cannot be read ({err.strerror}).", path=str(path))
        cached = self._manifests.get(path)
        if cached is None or cached[0] != now:
            try:
                cached = (now, load_manifest(path, self._engines))
            except InvalidManifest as err:
                cached = (now, err)
            self._manifests[path] = cached
        return cached[1]

    def _generated_for_files(
        self, claimed: set[Path], taken: Iterable[str], problems: list[InvalidManifest]
    ) -> dict[str, Manifest]:
        """Those for loose files; of files that are no chat models, `problems` say so."""
        generated: dict[str, Manifest] = {}
        ids = set(taken)
        for path, stem in self._loose_files():
            names = _part_names(path.name)
            if path in claimed or not names or not safe_relative(path.name):
                continue
            model_id = next(name for name in _ids(stem) if name not in ids)
            manifest = self._generate(model_id, path.parent.relative_to(self._store), names)
            if isinstance(manifest, InvalidManifest):
                problems.append(manifest)
                continue
            ids.add(model_id)
            generated[model_id] = manifest
        return generated

    def _loose_files(self) -> Iterator[tuple[Path, str]]:
        """GGUF files outside Hugging Face folders, with the model's name: the folder's if the file is alone in it."""
        weights = self._store / "weights"
        for path in _ggufs(weights):
            yield path, model_stem(path.name)
        for folder in sorted(weights.glob("*/")):
            if folder.name.startswith(".") or is_model_folder(folder) or not safe_relative(folder.name):
                continue
            paths = [path for path in _ggufs(folder) if _part_names(path.name)]
            for path in paths:
                yield path, folder.name if len(paths) == 1 else model_stem(path.name)

    def _generated_for_folders(self, claimed: set[Path], taken: Iterable[str]) -> dict[str, Manifest]:
        generated: dict[str, Manifest] = {}
        ids = set(taken)
        for folder in sorted((self._store / "weights").glob("*/")):
            if not is_model_folder(folder) or folder.resolve() in claimed or not safe_relative(folder.name):
                continue
            model_id = next(name for name in _ids(folder.name) if name not in ids)
            ids.add(model_id)
            generated[model_id] = implied_model(model_id, folder)
        return generated

    def _generate(self, model_id: str, folder: Path, names: list[str]) -> Manifest | InvalidManifest:
        """The manifest of a file, or why it is not listed: it is something else than a chat model."""
        bare = Manifest(
            id=model_id,
            title=model_stem(names[0]) if folder == Path("weights") else folder.name,
            family="native",
            engine="llama_cpp",
            description=FOUND_DESCRIPTION["en"],
            translations=FOUND_DESCRIPTION,
            source=FolderSource(folder.as_posix(), links=True),
            files=tuple(ModelFile(name) for name in names),
        )
        if purpose := self._files.other_purpose(bare):
            path = folder / names[0]
            hint = " Put it into a folder of its own in adapters." if purpose == ADAPTER else ""
            return InvalidManifest(f"{path} is {purpose}, not a chat model, so it is not listed.{hint}", path=str(path))
        try:
            header = self._files.header(bare)
        except DamagedWeights:  # still listed: its status reports the problem
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


def _ggufs(folder: Path) -> list[Path]:
    """The GGUF files in a folder; the suffix may be in capitals."""
    return sorted(path for path in folder.glob("*.*") if is_gguf(path.name))


def _told_apart(manifests: Mapping[str, Manifest]) -> dict[str, Manifest]:
    """The manifests; where several have the same title, the id is added to it."""
    counts = Counter(manifest.title for manifest in manifests.values())
    return {
        k: replace(m, title=f"{m.title} ({m.id})") if counts[m.title] > 1 and m.title != m.id else m
        for k, m in manifests.items()
    }


def _checksums_in(folder: Path) -> dict[str, str]:
    """The listed checksums; empty if the list is unreadable, which ``parley models check`` and imports report."""
    try:
        return read_checksums(folder)
    except DamagedWeights:
        return {}


def _part_names(name: str) -> list[str]:
    """For the first file of a split model the names of all parts, for a later part nothing, else the name itself."""
    shard = parse_shard(name)
    if shard is None:
        return [name]
    return shard.all_names() if shard.is_first else []


def _ids(stem: str) -> Iterator[str]:
    """Candidate ids from a file or folder name: the plain one first, then numbered ones."""
    base = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).lstrip("._-")[:56] or "model"
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1
