"""A stamp of a model store, to detect changes: with an equal stamp a new scan would find the same. Much cheaper."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

Entry = tuple[str, int, int]  # path, size in bytes, modification time in nanoseconds
StoreStamp = tuple[Entry, ...]

_CHECKED = ".checked"  # remembered checksums; other hidden folders are work in progress


def store_stamp(store_dir: Path, shipped_dir: Path, model_folders: Iterable[Path]) -> StoreStamp:
    """The state of all files that a scan reads: manifests, weights, adapters, remembered checksums.

    `model_folders` are those that manifests name; those outside the store are included. Blocks for well under a
    millisecond per hundred files.
    """
    weights = store_dir / "weights"
    outside = sorted({folder for folder in model_folders if folder.parent != weights})
    entries = [
        *_files(shipped_dir, depth=0),
        *_files(store_dir / "manifests", depth=0),
        *_files(weights, depth=2),
        *_files(store_dir / "adapters", depth=1),
        *(entry for folder in outside for entry in _files(folder, depth=1)),
    ]
    return tuple(sorted(entries))


def _files(folder: Path | str, depth: int) -> Iterator[Entry]:
    """The files in a folder and up to `depth` levels below it; none if it can't be read."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") and entry.name != _CHECKED:
            continue
        try:
            stat, is_folder = entry.stat(), entry.is_dir()
        except OSError:  # a dangling link, or just removed
            continue
        yield entry.path, stat.st_size, stat.st_mtime_ns
        if is_folder and depth and entry.name != _CHECKED:
            yield from _files(entry.path, depth - 1)
