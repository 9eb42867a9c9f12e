"""Cache of SHA-256 checksums: a file with the same size and modification time is not hashed again.

The cache consists of small files under ``<store>/weights/.checked/``; for a read-only store it is in memory only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from app.system.disk import read_chunks

Stamp = tuple[int, int]  # size in bytes, modification time in nanoseconds
OnBytes = Callable[[int], None]


def stamp(path: Path) -> Stamp:
    """Size and modification time of a file. Raises ``OSError`` when it does not exist."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


class Checksums:
    """The cached checksums of one model store. Safe to use from several threads and processes."""

    def __init__(self, store_dir: Path) -> None:
        self._store = store_dir
        self._known: dict[Path, tuple[Stamp, str]] = {}
        self._hashing = threading.Lock()  # one file at a time: the disk is the bottleneck

    def known(self, path: Path) -> str | None:
        """The cached checksum of the file's current state; ``None`` if there is none. Cheap. Raises ``OSError``."""
        now = stamp(path)
        noted = self._known.get(path)
        if noted is None or noted[0] != now:  # another process may have computed it since
            noted = self._read(path)
        if noted is None or noted[0] != now:
            return None
        self._known[path] = noted
        return noted[1]

    def sha256(self, path: Path, *, again: bool = False, on_bytes: OnBytes | None = None) -> str:
        """The checksum, computed unless cached; `again` computes it in any case.

        `on_bytes` is called with the bytes done so far, and may raise to stop. Raises ``OSError``. Blocks
        (about 0.5 GB/s): not for an event loop.
        """
        with self._hashing:
            digest = None if again else self.known(path)
            if digest is None:
                before = stamp(path)
                digest = digest_of(path, on_bytes)
                if stamp(path) == before:  # else it is being written to: don't cache it
                    self.remember(path, digest)
            return digest

    def remember(self, path: Path, digest: str) -> None:
        """Cache this checksum for the current state of `path`."""
        now = stamp(path)
        self._known[path] = (now, digest)
        note = self._note(path)
        draft = note.with_name(f"{note.name}.{os.getpid()}.part")
        with contextlib.suppress(OSError):  # read-only store: cached in memory only
            note.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps({"size_bytes": now[0], "mtime_ns": now[1], "sha256": digest}), "utf-8")
            draft.replace(note)

    def remember_all(self, folder: Path, digests: Mapping[str, str]) -> None:
        """Cache checksums by file name in `folder`, computed while the files were written."""
        for name, digest in digests.items():
            self.remember(folder / name, digest)

    def _read(self, path: Path) -> tuple[Stamp, str] | None:
        try:
            noted = json.loads(self._note(path).read_text("utf-8"))
            return (int(noted["size_bytes"]), int(noted["mtime_ns"])), str(noted["sha256"])
        except (OSError, ValueError, TypeError, KeyError):  # missing or damaged: compute it again
            return None

    def _note(self, path: Path) -> Path:
        name = path.relative_to(self._store) if path.is_relative_to(self._store) else path
        return self._store / "weights" / ".checked" / f"{hashlib.sha256(str(name).encode()).hexdigest()[:32]}.json"


def digest_of(path: Path, on_bytes: OnBytes | None = None, method: str = "sha256") -> str:
    """Compute the checksum of a file, as hex digits. `on_bytes` as above. Raises ``OSError``."""
    digest = hashlib.new(method, usedforsecurity=False)
    for chunk in read_chunks(path, on_bytes):
        digest.update(chunk)
    return digest.hexdigest()
