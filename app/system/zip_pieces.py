"""Zip archives that are sent while they are written."""

from __future__ import annotations

import io
from typing import Any


class ZipPieces(io.RawIOBase):
    """A file that can't be read or sought: what `zipfile` writes to it is taken away in pieces."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Append `data`."""
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def take(self) -> bytes:
        """What was written since the last call."""
        found = b"".join(self._pieces)
        self._pieces.clear()
        return found
