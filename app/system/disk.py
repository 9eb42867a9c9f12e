"""Disk access: free space, reading in chunks, and durable atomic writes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from app.errors import FetchFailed

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # errno values of a full disk or quota

_CHUNK_BYTES = 1 << 20
_SPARE_BYTES = 64 << 20  # kept free, since the database may be on the same disk
_CURE = "Free some space, or set PARLEY_MODEL_STORE to a folder on another disk."


def check_space(folder: Path, needed_bytes: int, *, model_id: str = "", cure: str = _CURE) -> None:
    """Raise :class:`FetchFailed` if the disk of `folder` has less than `needed_bytes` (plus a reserve) free.

    The error names the model, if given, and its message ends with `cure`.
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
    """The content of a file in chunks. `on_bytes` receives the bytes consumed so far, and may raise to stop."""
    done = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
            done += len(chunk)
            if on_bytes is not None:
                on_bytes(done)


@contextlib.contextmanager
def replacing(path: Path, *, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A temporary file that replaces `path` once it is written and synced; removed after an error.

    `mode`: its permissions, less the umask.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
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
    """Flush a file to the disk; for a folder, make renames in it durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
