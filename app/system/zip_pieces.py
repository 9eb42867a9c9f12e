"""Zip archives that are sent while they are written."""

from __future__ import annotations


class ZipPieces:
    """A file that can't be read or sought: what `zipfile` writes to it is taken away in pieces.

    It is no `io` class: those are closed when nobody needs them any more, perhaps before an archive that was never
    finished, because its download was broken off, and that writes its end.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Append `data`."""
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def flush(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""

    def take(self) -> bytes:
        """What was written since the last call."""
        found = b"".join(self._pieces)
        self._pieces.clear()
        return found
