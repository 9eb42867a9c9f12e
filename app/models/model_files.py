"""The files of a model: their paths, whether they are complete, and whether they match the manifest."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.errors import DamagedWeights, ModelNotFetched
from app.models.manifest import Adapter, Manifest
from app.weights.checksums import Checksums, OnBytes, Stamp, stamp
from app.weights.formats.adapter_folder import check_adapter, check_adapter_for_gguf
from app.weights.formats.checkpoint import Checkpoint, read_checkpoint
from app.weights.formats.gguf import GGUFHeader, read_header
from app.weights.formats.gguf_purpose import other_purpose
from app.weights.formats.shards import is_gguf
from app.weights.sources import FolderSource, ModelFile

FolderStamp = tuple[tuple[str, int, int], ...]  # name, size and modification time of each file
OnProgress = Callable[[int, int], None]  # bytes done, total bytes


def _no_progress(_done: int, _total: int) -> None:
    """Report no progress."""


class ModelFiles:
    """Checks the files of manifests in one store. Every error names the file and what to do."""

    def __init__(self, store_dir: Path) -> None:
        self._store = store_dir
        self.checksums = Checksums(store_dir)
        self._headers: dict[Path, tuple[Stamp, GGUFHeader | DamagedWeights]] = {}
        self._adapters: dict[tuple[Path, Path], tuple[tuple[FolderStamp, FolderStamp], DamagedWeights | None]] = {}
        self._checkpoints: dict[Path, tuple[FolderStamp, Checkpoint | DamagedWeights]] = {}

    def folder(self, manifest: Manifest) -> Path:
        """The model's own folder."""
        if isinstance(manifest.source, FolderSource):
            return self._store / Path(manifest.source.path).expanduser()
        return self._store / "weights" / manifest.base_id

    def present(self, manifest: Manifest) -> list[Path]:
        """The paths of all files, after checking that they exist, inside their folder, with the right size. Cheap.

        Checksums computed before are compared too. Raises :class:`ModelNotFetched` or :class:`DamagedWeights`.
        """
        folder = self.folder(manifest)
        paths = [folder / file.path for file in manifest.files]
        for file, path in zip(manifest.files, paths, strict=True):
            self._check_file(manifest, file, path, folder)
        return paths

    def header(self, manifest: Manifest) -> GGUFHeader | None:
        """The header of GGUF weights, else ``None``; all parts are checked. Cached by size and modification time.

        Call ``present`` first. Raises :class:`DamagedWeights`.
        """
        main = manifest.weights_file
        folder = self.folder(manifest)
        headers = {f.path: self._header(manifest, folder / f.path) for f in manifest.files if is_gguf(f.path)}
        if main is None or main.path not in headers:
            return None
        header = headers[main.path]
        if purpose := other_purpose(header):
            place = " Put it into a folder of its own in the store's adapters folder."
            raise _damaged(
                manifest, main, f"is {purpose}, not a chat model.{place if header.kind == 'adapter' else ''}"
            )
        if header.part != 0 or header.parts > len(headers):
            raise _damaged(manifest, main, f"is one of {header.parts} parts; all parts are needed, in order.")
        return header

    def other_purpose(self, manifest: Manifest) -> str:
        """What GGUF weights are, where they are no chat model, in words; also "" where they can't be read."""
        main = manifest.weights_file
        path = self.folder(manifest) / main.path if main is not None else None
        if path is None or not path.is_file():
            return ""
        try:
            return other_purpose(self._header(manifest, path))
        except DamagedWeights:
            return ""

    def checkpoint(self, manifest: Manifest) -> Checkpoint:
        """The headers of a Hugging Face folder, checked against its configuration. Cached until the folder changes.

        Call ``present`` first. Raises :class:`DamagedWeights`.
        """
        folder = self.folder(manifest)
        now = folder_stamp(folder)
        cached = self._checkpoints.get(folder)
        if cached is None or cached[0] != now:
            found: Checkpoint | DamagedWeights
            try:
                found = read_checkpoint(folder)
            except DamagedWeights as err:
                found = err
            cached = self._checkpoints[folder] = (now, found)
        if isinstance(cached[1], DamagedWeights):
            # A new exception each time: one that is raised again accumulates traceback entries.
            raise DamagedWeights(cached[1].message, model_id=manifest.id, **cached[1].details)
        return cached[1]

    def adapter(self, manifest: Manifest, adapter: Adapter) -> Path:
        """The folder of an adapter, after checking that it fits the model. Cached until either folder changes.

        Raises :class:`DamagedWeights`.
        """
        own = self.folder(manifest)
        folder = own / Path(adapter.path).expanduser()
        base = self.checkpoint(manifest) if manifest.engine == "torch" else self._merged_header(manifest)
        now = (folder_stamp(own), folder_stamp(folder))
        key = (own / (manifest.files[0].path if isinstance(base, GGUFHeader) else ""), folder)
        cached = self._adapters.get(key)
        if cached is None or cached[0] != now:
            cached = self._adapters[key] = (now, _adapter_problem(folder, base))
        if (problem := cached[1]) is not None:
            text = f"The adapter {adapter.name}: {problem.message}"
            raise DamagedWeights(text, **{**problem.details, "model_id": f"{manifest.id}+{adapter.name}"})
        return folder

    def _merged_header(self, manifest: Manifest) -> GGUFHeader:
        """The header of the first part, with the tensor shapes of all parts."""
        folder = self.folder(manifest)
        header = self.header(manifest)
        if header is None:
            raise DamagedWeights(f"{manifest.title} has no weights on this computer.", model_id=manifest.id)
        parts = [self._header(manifest, folder / f.path) for f in manifest.files if is_gguf(f.path)]
        return replace(header, shapes={name: shape for part in parts for name, shape in part.shapes.items()})

    def verify(self, manifest: Manifest, *, again: bool = False, on_progress: OnProgress = _no_progress) -> None:
        """Compare every file with its checksum in the manifest, if any; with `again` even if that was done before.

        Blocks while hashing. Raises :class:`ModelNotFetched` or :class:`DamagedWeights`.
        """
        paths = self.present(manifest) if not again else self._existing(manifest)
        sizes = [path.stat().st_size for path in paths]
        for i, (file, path) in enumerate(zip(manifest.files, paths, strict=True)):
            if file.sha256 or again:
                on_bytes = _as_total_progress(on_progress, sum(sizes[:i]), sum(sizes))
                digest = self._sha256(manifest, file, path, again, on_bytes)
                if file.sha256 and digest != file.sha256:
                    raise _damaged(manifest, file, "does not match the SHA-256 in its manifest.", digest=digest)
        self.present(manifest)
        if manifest.engine == "torch":
            self.checkpoint(manifest)
        else:
            self.header(manifest)

    def _existing(self, manifest: Manifest) -> list[Path]:
        """The paths of all files after checking only that they exist: remembered checksums are ignored."""
        folder = self.folder(manifest)
        for file in manifest.files:
            self._regular_file_size(manifest, file, folder / file.path, folder)
        return [folder / file.path for file in manifest.files]

    def _sha256(self, m: Manifest, file: ModelFile, path: Path, again: bool, on_bytes: OnBytes) -> str:
        try:
            return self.checksums.sha256(path, again=again, on_bytes=on_bytes)
        except OSError as err:
            raise _damaged(m, file, f"cannot be read: {err.strerror}.") from err

    def _check_file(self, manifest: Manifest, file: ModelFile, path: Path, folder: Path) -> None:
        size = self._regular_file_size(manifest, file, path, folder)
        if file.size_bytes is not None and size != file.size_bytes:
            raise _damaged(manifest, file, f"has {size:,} bytes instead of {file.size_bytes:,}.")
        known = self.checksums.known(path) if file.sha256 else None
        if known is not None and known != file.sha256:
            raise _damaged(manifest, file, "does not match the SHA-256 in its manifest.", digest=known)

    def _regular_file_size(self, manifest: Manifest, file: ModelFile, path: Path, folder: Path) -> int:
        try:
            found = path.stat()
            inside = _may_be_linked(manifest) or path.resolve().is_relative_to(folder.resolve())
        except (FileNotFoundError, NotADirectoryError) as err:
            raise self._not_fetched(manifest, path) from err
        except OSError as err:
            raise _damaged(manifest, file, f"cannot be read: {err.strerror}.") from err
        if not inside:
            raise _damaged(
                manifest,
                file,
                f"is a link that points outside {folder}. Put the file itself there, or name its folder in a manifest.",
            )
        if not stat.S_ISREG(found.st_mode):
            raise _damaged(manifest, file, "is not a file.")
        return found.st_size

    def _not_fetched(self, manifest: Manifest, path: Path) -> ModelNotFetched:
        if isinstance(manifest.source, FolderSource):
            todo = f"{path} does not exist. Put the file there, or fix the manifest."
        else:
            todo = f"It is not downloaded yet. Download it on the page, or run: parley models pull {manifest.base_id}"
        return ModelNotFetched(f"{manifest.title}: {todo}", model_id=manifest.id, size_bytes=manifest.size_bytes)

    def _header(self, manifest: Manifest, path: Path) -> GGUFHeader:
        try:
            now = stamp(path)
        except OSError as err:
            text = f"{manifest.title}: {path.name} cannot be read: {err.strerror}."
            raise DamagedWeights(text, model_id=manifest.id, file=path.name) from err
        cached = self._headers.get(path)
        if cached is None or cached[0] != now:
            found: GGUFHeader | DamagedWeights
            try:
                found = read_header(path)
            except DamagedWeights as err:
                found = err
            cached = self._headers[path] = (now, found)
        if isinstance(cached[1], DamagedWeights):
            # A new exception each time: one that is raised again accumulates traceback entries.
            raise DamagedWeights(f"{manifest.title}: {cached[1].message}", model_id=manifest.id, **cached[1].details)
        return cached[1]


def folder_stamp(folder: Path) -> FolderStamp:
    """Name, size and modification time of each file, to detect changes; empty if the folder can't be read."""
    try:
        return tuple(sorted((path.name, *stamp(path)) for path in folder.iterdir() if path.is_file()))
    except OSError:
        return ()


def _adapter_problem(folder: Path, base: Checkpoint | GGUFHeader) -> DamagedWeights | None:
    try:
        if isinstance(base, GGUFHeader):
            check_adapter_for_gguf(folder, base)
        else:
            check_adapter(folder, base)
    except DamagedWeights as err:
        return err
    return None


def _as_total_progress(on_progress: OnProgress, before: int, total: int) -> OnBytes:
    """Report the progress of one file as progress of all files; `before`: bytes of the files done."""
    return lambda done: on_progress(before + done, total)


def _may_be_linked(manifest: Manifest) -> bool:
    """Whether its files may be links to elsewhere: those that the user put into the store, to save space."""
    return isinstance(manifest.source, FolderSource) and manifest.source.links


def _damaged(manifest: Manifest, file: ModelFile, problem: str, **details: object) -> DamagedWeights:
    again = (
        ""
        if isinstance(manifest.source, FolderSource)
        else f" Download it again: parley models pull {manifest.base_id}"
    )
    return DamagedWeights(
        f"{manifest.title}: {file.path} {problem}{again}", model_id=manifest.id, file=file.path, **details
    )
