"""Imports a model or adapter into the model store (``parley models import``), atomically.

<store>/weights/<name>/                     appears when everything in it is converted and checked
<store>/weights/.partial/import-<name>/     work in progress: complete files are kept for resuming
<store>/weights/.partial/decrypt-<name>/    BELLE's decrypted files, removed after the import
<store>/adapters/<name>/                    adapters: LoRA weights, P-tuning prefixes

Safetensors and GGUF files are hard-linked (or copied to another disk) and checked as before loading. PyTorch's own
files and delta weights are converted in a child process, :mod:`app.weights.importing.safetensors_worker`. Code is never
copied. The checksums of all files are written to the folder (:mod:`app.weights.formats.sha256sums`).
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import DamagedWeights, FetchFailed, InvalidImport, MissingExtra
from app.system.disk import DISK_FULL, check_space, sync
from app.weights.checksums import Checksums
from app.weights.formats.adapter_folder import PREFIX, describe_adapter
from app.weights.formats.checkpoint import INDEX, WEIGHTS, read_checkpoint
from app.weights.formats.gguf import read_header
from app.weights.formats.safetensors import read_tensors
from app.weights.formats.sha256sums import CHECKSUM_FILE, read_checksums, write_checksums
from app.weights.importing.detect_source import detect_source
from app.weights.importing.huggingface import inspect_folder
from app.weights.importing.meta import CHECKLIST
from app.weights.importing.placing import STATE, alone, digest_of, keep_if_same, link
from app.weights.importing.source import ImportSource, plain_name
from app.weights.importing.to_safetensors import convert_all
from app.weights.importing.xor import decrypt_all, encrypted_files, find_key
from app.weights.progress import Cancelled, OnProgress

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import."""

    folder: Path
    kind: str  # "model", "adapter"
    notes: tuple[str, ...] = ()  # messages for the user


def import_model(
    source: Path,
    store_dir: Path,
    name: str,
    on_progress: OnProgress,
    cancelled: Cancelled,
    *,
    base: Path | None = None,
) -> Imported:
    """Import `source`, a folder or file, as `name` ("": its own name). **Blocks**; polls `cancelled`.

    `base` is what delta weights are applied to: a Hugging Face folder, Meta's folder, or ``consolidated.00.pth``.

    Raises :class:`InvalidImport` for what can't be used, :class:`FetchFailed` for a full disk,
    :class:`~app.errors.FetchCancelled`, :class:`MissingExtra` where PyTorch is needed but missing,
    :class:`~app.errors.Conflict` while another process imports under the same name.
    """
    source, store = source.expanduser().absolute(), store_dir.absolute()
    try:
        encrypted = encrypted_files(source) if source.is_dir() else {}
        if encrypted:
            return _import_encrypted(encrypted, source, store, name, on_progress, cancelled, base)
        found = detect_source(source, base)
        work = _Import(found, store, _checked_name(name or found.name), on_progress, cancelled)
        with alone(work.partial, work.name):
            return work.run()
    except DamagedWeights as err:
        raise InvalidImport(err.message, **err.details) from err
    except OSError as err:
        raise _disk_error(store_dir, err) from err


def _import_encrypted(
    files: dict[str, Path],
    folder: Path,
    store: Path,
    name: str,
    on_progress: OnProgress,
    cancelled: Cancelled,
    base: Path | None,
) -> Imported:
    key = find_key(base)
    name = _checked_name(name or plain_name(folder))
    partial = store / "weights" / ".partial" / f"import-{name}"
    plain = partial.with_name(f"decrypt-{name}")
    partial.parent.mkdir(parents=True, exist_ok=True)
    with alone(partial, name):
        _refuse_taken(store / "weights" / name)
        keep_if_same(plain, [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files.values()])
        to_come = [path.stat().st_size for file, path in files.items() if not (plain / file).exists()]
        check_space(plain, sum(to_come) + sum(path.stat().st_size for path in files.values()))
        try:
            decrypt_all(files, key, plain, on_progress, cancelled)
            found = replace(inspect_folder(plain), name=name)
            done = _Import(found, store, name, on_progress, cancelled).run()
        except (InvalidImport, DamagedWeights):
            shutil.rmtree(plain, ignore_errors=True)
            raise
        shutil.rmtree(plain, ignore_errors=True)
        return done


class _Import:
    """One import; every step can be repeated after an interruption. The caller holds the name's lock."""

    def __init__(
        self, source: ImportSource, store_dir: Path, name: str, on_progress: OnProgress, cancelled: Cancelled
    ) -> None:
        if source.jobs and importlib.util.find_spec("torch") is None:
            raise MissingExtra(
                f"The weights in {source.folder.name} have to be converted, which needs PyTorch. Install it with "
                "`pip install 'parley-chat[torch]'`.",
                extra="torch",
            )
        self.name = name
        self.partial = store_dir / "weights" / ".partial" / f"import-{name}"
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        self._source, self._store = source, store_dir
        self._on_progress, self._cancelled = on_progress, cancelled
        self._notes = list(source.notes)

    def run(self) -> Imported:
        source = self._source
        self._target(
            "adapter" if source.kind == "adapter" else "model"
        )  # raises before the work for a name that is taken
        keep_if_same(self.partial, source.state())
        self._check_inputs()
        check_space(self.partial, self._needed_bytes())
        self._add_weights()
        for file, text in source.texts.items():
            if isinstance(text, Path):
                shutil.copyfile(text, self.partial / file)
            else:
                (self.partial / file).write_text(text, "utf-8")
        kind = self._checked()
        target = self._target(kind)
        (self.partial / STATE).unlink()
        self._note_checksums()
        self._publish(target)
        Checksums(self._store).remember_all(target, read_checksums(target))
        return Imported(target, kind, tuple(self._notes))

    def _target(self, kind: str) -> Path:
        target = self._store / ("weights" if kind == "model" else "adapters") / self.name
        if target.resolve() != self._source.folder.resolve():
            _refuse_taken(target)
        return target

    def _check_inputs(self) -> None:
        """Verify published checksums, where there are any."""
        for path, wanted in self._source.md5.items():
            if digest_of(path, self._on_progress, self._cancelled, "md5") != wanted:
                raise InvalidImport(f"{path.name} does not match its MD5 in {CHECKLIST}. Download it again.")
        noted = read_checksums(self._source.folder)
        for path in self._source.inputs:
            known = noted.get(path.name) if path.parent == self._source.folder else None
            if known and digest_of(path, self._on_progress, self._cancelled) != known:
                raise InvalidImport(f"{path.name} does not match its SHA-256 in {CHECKSUM_FILE}. Download it again.")

    def _needed_bytes(self) -> int:
        jobs = [job.size_bytes for job in self._source.jobs if not (self.partial / job.target).exists()]
        same_disk = self._source.folder.stat().st_dev == self.partial.stat().st_dev
        links = {} if same_disk else self._source.links
        return sum(jobs) + sum(
            path.stat().st_size for name, path in links.items() if not (self.partial / name).exists()
        )

    def _add_weights(self) -> None:
        source = self._source
        for name, path in source.links.items():
            link(path, self.partial / name, self._on_progress, self._cancelled)
        if not source.jobs:
            return
        done = convert_all(source.jobs, self.partial, self._on_progress, self._cancelled)
        self._write_index()
        if source.finish:
            source.finish(self.partial)
        if source.judge and done.total is not None:
            self._notes.append(source.judge(done.total))

    def _write_index(self) -> None:
        """Write the index of several files; raises if a tensor of the original index is missing."""
        shards = [job.target for job in self._source.jobs]
        places: dict[str, str] = {}
        total = 0
        for shard in shards:
            for name, tensor in read_tensors(self.partial / shard).items():
                if name in places:
                    raise InvalidImport(
                        f"{name[:80]} is in two files, {places[name]} and {shard}. Download them again."
                    )
                places[name] = shard
                total += tensor.size_bytes
        missing = sorted(self._source.promised - set(places))
        if missing:
            raise InvalidImport(f"The files lack {missing[0][:80]}, which their index names. Download them again.")
        if len(shards) > 1:
            index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
            (self.partial / INDEX).write_text(json.dumps(index, indent=1), "utf-8")

    def _checked(self) -> str:
        """Make the same checks as before loading; returns "model" or "adapter"."""
        try:
            if self._source.kind == "gguf":
                for name in self._source.links:
                    read_header(self.partial / name)
                return "model"
            if self._source.kind == "adapter" or self._is_prefix():
                describe_adapter(self.partial)
                return "adapter"
            read_checkpoint(self.partial)
        except DamagedWeights as err:
            text = err.message.replace(self.partial.name, self._source.name)
            shutil.rmtree(self.partial)  # or the next attempt would reuse it
            raise InvalidImport(text, **err.details) from err
        return "model"

    def _is_prefix(self) -> bool:
        """Whether all tensors belong to a P-tuning prefix."""
        shards = [*self._source.links, *(job.target for job in self._source.jobs)]
        names = [name for shard in shards for name in read_tensors(self.partial / shard)]
        return bool(names) and all(PREFIX in name for name in names)

    def _note_checksums(self) -> None:
        """Write the checksums of all files; those of converted files are known already."""
        noted = read_checksums(self.partial)
        converted = {job.target for job in self._source.jobs}
        files = sorted(path.name for path in self.partial.iterdir() if path.name != CHECKSUM_FILE)
        kept = {name: noted[name] for name in files if name in converted and name in noted}
        more = {
            name: digest_of(self.partial / name, self._on_progress, self._cancelled)
            for name in files
            if name not in kept
        }
        (self.partial / CHECKSUM_FILE).unlink(missing_ok=True)
        write_checksums(self.partial, kept | more)

    def _publish(self, target: Path) -> None:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.partial.rename(target)
        else:  # converted in place: index and weights complete the folder, so they come last, then the checksums
            last = (INDEX, WEIGHTS)
            checksums = read_checksums(self.partial)
            (self.partial / CHECKSUM_FILE).unlink()
            for path in sorted(self.partial.iterdir(), key=lambda path: (path.name in last, path.name)):
                path.replace(target / path.name)
                path.unlink(missing_ok=True)  # renaming between two links to one file does nothing
            write_checksums(target, checksums)
            self.partial.rmdir()
        sync(target)
        sync(target.parent)


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidImport(
            f"{name[:64]!r} can't be a model's name: use letters, digits, '.', '_' and '-'. Choose another with --name"
        )
    return name


def _refuse_taken(target: Path) -> None:
    if target.exists():
        raise InvalidImport(f"The folder {target} already exists. Choose another name with --name, or remove it.")


def _disk_error(store_dir: Path, err: OSError) -> FetchFailed:
    if err.errno in DISK_FULL:
        return FetchFailed("The disk is full. Free some space, then run the same command to resume.")
    return FetchFailed(f"The model store {store_dir} or the folder can't be used: {err.filename}: {err.strerror}.")
