"""What every fetch does to the disk: one at a time for each model, only with room enough, and made to last."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.errors import FetchCancelled, FetchFailed
from app.registry.manifest import Manifest
from app.registry.progress import Cancelled

SPARE_BYTES = 64 << 20  # a disk is not filled to the brim: the database lives there too
_POLL_S = 0.2


@contextlib.contextmanager
def locked(partial: Path, on_wait: Callable[[], None], cancelled: Cancelled) -> Iterator[None]:
    """Hold the lock of the model whose work in progress is `partial`; the kernel frees it when we die.

    While another process holds it, `on_wait` is called now and then. Raises :class:`FetchCancelled`.
    """
    with partial.with_name(f"{partial.name}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled():
                    raise FetchCancelled("The download was cancelled.") from None
                on_wait()
                time.sleep(_POLL_S)
        yield


def check_room(m: Manifest, folder: Path, needed_bytes: int) -> None:
    """Raises :class:`FetchFailed` where the disk of `folder` has no room for `needed_bytes` and a little more."""
    needed = needed_bytes + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FetchFailed(
            f"There is not enough room on the disk: {m.title} needs {needed / 1e6:,.0f} MB for a moment and "
            f"{free / 1e6:,.0f} MB are free. Make room, or set PARLEY_MODEL_STORE to a folder on another disk.",
            model_id=m.id,
            needed_bytes=needed,
            free_bytes=free,
        )


def disk_error(m: Manifest, store_dir: Path, err: OSError) -> FetchFailed:
    """What to say of an ``OSError`` in the store."""
    if err.errno == errno.ENOSPC:
        text = "The disk became full. Make room, or set PARLEY_MODEL_STORE to a folder on another disk."
    else:
        text = f"The model store {store_dir} can't be written to ({err.strerror}). Set PARLEY_MODEL_STORE to another."
    return FetchFailed(text, model_id=m.id)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
