"""Helpers of an import: link or copy files, compute checksums, lock a name, keep unfinished work."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from app.errors import Conflict, FetchCancelled
from app.system.disk import read_chunks
from app.system.locks import locked
from app.weights import checksums
from app.weights.progress import Cancelled, OnProgress, Phase, Progress

STATE = "source.state"  # the inputs of a folder of unfinished work

_STOPPED = "The import was stopped. Run the same command to resume."


def link(source: Path, target: Path, on_progress: OnProgress, cancelled: Cancelled) -> None:
    """Hard-link `source` as `target`, or copy it to another disk. Raises :class:`FetchCancelled`."""
    if target.exists():
        return
    with contextlib.suppress(OSError):  # another disk, or no hard links: copied below
        os.link(source.resolve(), target)
        return
    draft = target.with_name(f"{target.name}.part")
    with draft.open("wb") as new:
        for chunk in read_chunks(source, _reporter(source, "copying", on_progress, cancelled)):
            new.write(chunk)
    draft.replace(target)


def digest_of(path: Path, on_progress: OnProgress, cancelled: Cancelled, method: str = "sha256") -> str:
    """The checksum of a file, in hex digits. Raises :class:`FetchCancelled`."""
    return checksums.digest_of(path, _reporter(path, "verifying", on_progress, cancelled), method)


def _reporter(path: Path, phase: Phase, on_progress: OnProgress, cancelled: Cancelled) -> Callable[[int], None]:
    size = path.stat().st_size

    def report(done: int) -> None:
        if cancelled():
            raise FetchCancelled(_STOPPED)
        on_progress(Progress(phase, done, size))

    return report


@contextlib.contextmanager
def alone(partial: Path, name: str) -> Iterator[None]:
    """Hold the lock of the import whose unfinished work is `partial`. Raises :class:`Conflict`."""

    def refuse() -> None:
        raise Conflict(f"Another process is importing {name}. Wait until it is done.")

    with locked(partial.with_name(f"{partial.name}.lock"), refuse):
        yield


def keep_if_same(folder: Path, state: list[list[object]]) -> None:
    """Keep the files of an earlier attempt if its inputs were the same, else clear the folder."""
    text = json.dumps(state)
    noted = folder / STATE
    if folder.exists() and (not noted.exists() or noted.read_text("utf-8") != text):
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    noted.write_text(text, "utf-8")
