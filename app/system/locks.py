"""File locks between processes; the kernel releases a lock when its process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_POLL_S = 0.2
_LOCKED_BYTE = 1 << 40  # far from the bytes that SQLite locks


def try_lock(handle: int) -> bool:
    """Lock an open file without waiting; ``False`` while another process, or another handle, holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def try_lock_byte(handle: int) -> bool:
    """Lock a byte beyond the end of an open file without waiting; ``False`` while another handle has it locked.

    For files that a library locks in its own way, as SQLite does with other bytes. It is a lock of the open file
    description (``F_OFD_SETLK``, Linux): closing other handles of the file does not release it. Where there is none,
    nothing is locked.
    """
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        return True
    lock = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, _LOCKED_BYTE, 1, 0)  # struct flock
    try:
        fcntl.fcntl(handle, command, lock)
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
