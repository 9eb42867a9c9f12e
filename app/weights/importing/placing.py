"""Put files into the store: link or copy, hash, lock a name, keep unfinished work."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from app.errors import Conflict, FetchCancelled
from app.weights.progress import Cancelled, OnProgress, Phase, Progress

STATE = "source.state"  # what a folder of unfinished work was made of

_CHUNK_BYTES = 4 << 20
_STOPPED = "The import was stopped. Run the same command to resume."


def link(source: Path, target: Path, on_progress: OnProgress, cancelled: Cancelled) -> None:
    """Make `target` the same file as `source`, or a copy of it on another disk. Raises :class:`FetchCancelled`."""
    if target.exists():
        return
    with contextlib.suppress(OSError):  # another disk, or one that knows no hard links: then it is copied
        os.link(source.resolve(), target)
        return
    draft = target.with_name(f"{target.name}.part")
    with draft.open("wb") as new:
        for chunk in _chunks(source, "copying", on_progress, cancelled):
            new.write(chunk)
    draft.replace(target)


def digest_of(path: Path, on_progress: OnProgress, cancelled: Cancelled, method: str = "sha256") -> str:
    """The sum of a file, in hex digits. Raises :class:`FetchCancelled`."""
    digest = hashlib.new(method, usedforsecurity=False)
    for chunk in _chunks(path, "verifying", on_progress, cancelled):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path, phase: Phase, on_progress: OnProgress, cancelled: Cancelled) -> Iterator[bytes]:
    size, done = path.stat().st_size, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if cancelled():
                raise FetchCancelled(_STOPPED)
            yield chunk
            done += len(chunk)
            on_progress(Progress(phase, done, size))


@contextlib.contextmanager
def locked(partial: Path, name: str) -> Iterator[None]:
    """Hold the name's lock; the kernel frees it when we die. Raises :class:`Conflict`."""
    with partial.with_name(f"{partial.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Another process is importing {name}. Wait until it is done.") from None
        yield


def keep_if_same(folder: Path, state: list[list[object]]) -> None:
    """Keep what an earlier try finished there, if it was of the same files."""
    text = json.dumps(state)
    noted = folder / STATE
    if folder.exists() and (not noted.exists() or noted.read_text("utf-8") != text):
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    noted.write_text(text, "utf-8")
