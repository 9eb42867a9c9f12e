"""One server per SQLite database: a second would take the first one's running replies for a crash's leftovers."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from app.errors import ConfigurationError


class ServerLock:
    """A lock file beside the database. The kernel frees it when its process ends, however it ends."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._file: int | None = None

    def take(self) -> None:
        """Raises :class:`ConfigurationError` when another process holds it."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise ConfigurationError(
                f"Another Parley uses this data folder ({self._path.parent}, process {pid}). Stop it, or give this one "
                "a folder of its own: PARLEY_DATA_DIR=other-folder",
                pid=pid,
            ) from None
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Let another have it. Idempotent."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None
