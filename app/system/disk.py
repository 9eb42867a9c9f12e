"""Files on the disk: free space, reading in chunks, and writes that survive a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from app.errors import FetchFailed

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # numbers of the errors of a full disk, or a full quota

_CHUNK_BYTES = 1 << 20
_SPARE_BYTES = 64 << 20  # a disk is not filled to the brim: the database lives there too
_CURE = "Free some space, or set PARLEY_MODEL_STORE to a folder on another disk."


def check_space(folder: Path, needed_bytes: int, *, model_id: str = "", cure: str = _CURE) -> None:
    """Raises :class:`FetchFailed` where the disk of `folder` has less than `needed_bytes` and a little more free.

    The message names the model, where one is given, and ends with the `cure`.
    """
    needed = needed_bytes + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FetchFailed(
            f"There is not enough disk space{model_id and f' for {model_id}'}: {needed / 1e6:,.0f} MB are needed "
            f"temporarily and {free / 1e6:,.0f} MB are free. {cure}",
            **({"model_id": model_id} if model_id else {}),
            reason="room",
            needed_bytes=needed,
            free_bytes=free,
        )


def read_chunks(path: Path, on_bytes: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """The content of a file. `on_bytes` is told the bytes that were used so far, and may raise to stop."""
    done = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
            done += len(chunk)
            if on_bytes is not None:
                on_bytes(done)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the name `path` once it is written and synced; where that fails, nothing of it stays."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
            sync_file(file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sync_file(file: IO[Any]) -> None:
    """Flush an open file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync(path: Path) -> None:
    """Flush a file to the disk; for a folder, make the renames in it survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
