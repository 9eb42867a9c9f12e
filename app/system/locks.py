"""File locks between processes; the kernel releases a lock when its process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_S = 0.2


def try_lock(handle: int) -> bool:
    """Lock an open file without waiting; ``False`` while another process, or another handle, holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def locked(path: Path, on_busy: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of `path`: a lock file, which is created, or a folder.

    While another process holds it, `on_busy` is called periodically; it returns to keep waiting, or raises.
    """
    kind = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    handle = os.open(path, kind | os.O_CLOEXEC, 0o666)
    try:
        while not try_lock(handle):
            on_busy()
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)
