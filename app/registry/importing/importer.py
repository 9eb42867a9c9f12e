"""``parley models import``: bring a Hugging Face folder into the model store, as safetensors, whole or not at all.

<store>/weights/<name>/                    appears when everything in it was converted and checked
<store>/weights/.partial/import-<name>/    work in progress: finished files are kept for the next try
<store>/adapters/<name>/                   where adapters go: LoRA weights, P-tuning prefixes

Safetensors are linked (or copied, to another disk) after the same checks that a model in use goes through. PyTorch's
own files are converted by :mod:`app.registry.importing.convert_worker`, in a process of its own. Code is never copied.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib.util
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import Conflict, DamagedWeights, FetchCancelled, FetchFailed, InvalidImport, MissingExtra
from app.registry.formats.adapter_folder import PREFIX, describe_adapter
from app.registry.formats.checkpoint import INDEX, WEIGHTS, read_checkpoint
from app.registry.formats.safetensors import read_tensors
from app.registry.importing.conversion import Conversion, convert_all
from app.registry.importing.source import ImportSource, look_into
from app.registry.progress import Cancelled, OnProgress, Progress

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SPARE_BYTES = 64 << 20  # a disk is not filled to the brim: the database lives there too
_COPY_BYTES = 4 << 20
_STATE = "source.state"


@dataclass(frozen=True, slots=True)
class Imported:
    """What was brought in, and where it lies."""

    folder: Path
    kind: str  # "model", "adapter"


def import_folder(folder: Path, store_dir: Path, name: str, on_progress: OnProgress, cancelled: Cancelled) -> Imported:
    """Bring `folder` in as `name` ("": its own name). Blocks; `cancelled` is asked all the time.

    Raises :class:`InvalidImport` for a folder that can't be used, :class:`FetchFailed` for a full disk,
    :class:`FetchCancelled`, :class:`MissingExtra` where PyTorch is needed and not there, :class:`Conflict` while
    another process imports under the same name.
    """
    try:
        source = look_into(folder)
        name = name or source.name
        if not _NAME.fullmatch(name):
            raise InvalidImport(
                f"{name[:64]!r} can't be a model's name: use letters, digits, '.', '_' and '-'. --name gives another"
            )
        if source.to_convert and importlib.util.find_spec("torch") is None:
            raise MissingExtra(
                f"{source.to_convert[0]} is PyTorch's own format, and converting it takes PyTorch. Install it with "
                "`pip install 'parley-chat[torch]'`.",
                extra="torch",
            )
        return _Import(source, store_dir.absolute(), name, on_progress, cancelled).run()
    except DamagedWeights as err:
        raise InvalidImport(err.message, **err.details) from err
    except OSError as err:
        raise _disk_error(store_dir, err) from err


class _Import:
    """One import; every step can be done again after an end in the middle."""

    def __init__(
        self, source: ImportSource, store_dir: Path, name: str, on_progress: OnProgress, cancelled: Cancelled
    ) -> None:
        self._source, self._store, self._name = source, store_dir, name
        self._on_progress, self._cancelled = on_progress, cancelled
        self._partial = store_dir / "weights" / ".partial" / f"import-{name}"

    def run(self) -> Imported:
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._partial, self._name):
            kind = "adapter" if self._source.is_lora else "model"
            self._target(kind)  # a name that is taken is told before the work is done
            self._prepare()
            self._check_space()
            self._bring_weights()
            for file in self._source.texts:
                shutil.copyfile(self._source.path(file), self._partial / file)
            kind = self._checked()
            target = self._target(kind)
            (self._partial / _STATE).unlink()
            self._publish(target)
            return Imported(target, kind)

    def _target(self, kind: str) -> Path:
        target = self._store / ("weights" if kind == "model" else "adapters") / self._name
        if target.exists() and target.resolve() != self._source.folder.resolve():
            raise InvalidImport(f"There is a folder {target} already. Choose another name with --name, or remove it.")
        return target

    def _prepare(self) -> None:
        """Keep what an earlier try finished, if it was of the same files."""
        state = json.dumps(self._source.state())
        noted = self._partial / _STATE
        if self._partial.exists() and (not noted.exists() or noted.read_text("utf-8") != state):
            shutil.rmtree(self._partial)
        self._partial.mkdir(exist_ok=True)
        noted.write_text(state, "utf-8")

    def _check_space(self) -> None:
        needed = _SPARE_BYTES
        for file, new_name in self._source.weights.items():
            linked = file not in self._source.to_convert and self._same_disk()
            if not linked and not (self._partial / new_name).exists():
                needed += self._source.path(file).stat().st_size
        free = shutil.disk_usage(self._partial).free
        if free < needed:
            raise FetchFailed(
                f"There is not enough room on the disk: {needed / 1e6:,.0f} MB are needed and {free / 1e6:,.0f} MB are "
                "free. Make room, or set PARLEY_MODEL_STORE to a folder on another disk.",
                needed_bytes=needed,
                free_bytes=free,
            )

    def _same_disk(self) -> bool:
        return self._source.folder.stat().st_dev == self._partial.stat().st_dev

    def _bring_weights(self) -> None:
        source = self._source
        if not source.to_convert:
            for file, new_name in source.weights.items():
                self._link(source.path(file), self._partial / new_name)
            return
        jobs = [Conversion(source.path(old), self._partial / new) for old, new in source.weights.items()]
        convert_all(jobs, self._on_progress, self._cancelled)
        self._write_index()

    def _write_index(self) -> None:
        """Which tensor is in which file, unless there is but one; what the old index promised must be there."""
        shards = list(self._source.weights.values())
        places: dict[str, str] = {}
        total = 0
        for shard in shards:
            for name, tensor in read_tensors(self._partial / shard).items():
                if name in places:
                    raise InvalidImport(f"{name[:80]} is in two files, {places[name]} and {shard}. Fetch them again.")
                places[name] = shard
                total += tensor.size_bytes
        missing = sorted(self._source.promised - set(places))
        if missing:
            raise InvalidImport(f"The files lack {missing[0][:80]}, which their index names. Fetch them again.")
        if len(shards) > 1:
            index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
            (self._partial / INDEX).write_text(json.dumps(index, indent=1), "utf-8")

    def _link(self, source: Path, target: Path) -> None:
        if target.exists():
            return
        with contextlib.suppress(OSError):  # another disk, or one that knows no hard links: then it is copied
            os.link(source.resolve(), target)
            return
        draft = target.with_name(f"{target.name}.part")
        size, done = source.stat().st_size, 0
        with source.open("rb") as old, draft.open("wb") as new:
            while chunk := old.read(_COPY_BYTES):
                if self._cancelled():
                    raise FetchCancelled("The import was stopped. The same command goes on from here.")
                new.write(chunk)
                done += len(chunk)
                self._on_progress(Progress("copying", done, size))
        draft.replace(target)

    def _checked(self) -> str:
        """What it is, after the checks that it will have to pass when it is used."""
        try:
            if self._source.is_lora or self._is_prefix():
                describe_adapter(self._partial)
                return "adapter"
            read_checkpoint(self._partial)
        except DamagedWeights as err:
            text = err.message.replace(self._partial.name, self._source.folder.name)
            shutil.rmtree(self._partial)  # or the next try would keep it
            raise InvalidImport(text, **err.details) from err
        return "model"

    def _is_prefix(self) -> bool:
        """Whether all that it holds is a P-tuning prefix."""
        names = [name for shard in self._source.weights.values() for name in read_tensors(self._partial / shard)]
        return bool(names) and all(PREFIX in name for name in names)

    def _publish(self, target: Path) -> None:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._partial.rename(target)
        else:  # converted where it lay: what makes the folder whole comes last
            last = (INDEX, WEIGHTS)
            for path in sorted(self._partial.iterdir(), key=lambda path: (path.name in last, path.name)):
                path.replace(target / path.name)
            self._partial.rmdir()
        _sync_folder(target)


@contextlib.contextmanager
def _locked(partial: Path, name: str) -> Iterator[None]:
    """Hold the name's lock; the kernel frees it when we die."""
    with partial.with_name(f"{partial.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Another process is importing {name} now. Wait for it.") from None
        yield


def _disk_error(store_dir: Path, err: OSError) -> FetchFailed:
    if err.errno == errno.ENOSPC:
        return FetchFailed("The disk became full. Make room, then run this again: it goes on from here.")
    return FetchFailed(f"The model store {store_dir} or the folder can't be used: {err.filename}: {err.strerror}.")


def _sync_folder(folder: Path) -> None:
    """Make the renames in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
