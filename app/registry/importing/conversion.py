"""The parent's half of a conversion: starts :mod:`app.registry.importing.convert_worker`, watches it, and ends it."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import FetchCancelled, FetchFailed, InvalidImport
from app.registry.progress import Cancelled, OnProgress, Progress

_MODULE = "app.registry.importing.convert_worker"
_POLL_S = 0.1
# All that the worker needs of our environment: no keys, no passwords.
_PASSED_ON = re.compile(r"PATH|HOME|LANG|LC_\w+|TMPDIR|VIRTUAL_ENV|PYTHON\w+|(DY)?LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Conversion:
    """One file: read `source`, write `target`."""

    source: Path
    target: Path


def convert_all(jobs: Sequence[Conversion], on_progress: OnProgress, cancelled: Cancelled) -> None:
    """Convert what is not there yet. Blocks.

    Raises :class:`InvalidImport` for a file that is refused, :class:`FetchFailed` when the disk is full or the process
    ends, and :class:`FetchCancelled`. Finished targets stay.
    """
    sizes = {str(job.target): job.source.stat().st_size for job in jobs}
    open_jobs = [job for job in jobs if not job.target.exists()]
    total = sum(sizes.values())
    done = total - sum(sizes[str(job.target)] for job in open_jobs)
    on_progress(Progress("converting", done, total))
    if not open_jobs:
        return
    written = 0  # of the file that is being converted; nearly as many bytes as are read
    with _worker(open_jobs, cancelled) as lines:
        for line in lines:
            said = json.loads(line)
            if "error" in said:
                raise _refusal(str(said["error"]), said.get("errno"))
            if "target" in said:
                done, written = done + sizes[said["target"]], 0
            else:
                written += int(said["bytes"])
            on_progress(Progress("converting", min(done + written, total), total))
    if any(not job.target.exists() for job in open_jobs):
        raise FetchFailed("The conversion broke off. Is there enough memory? Run it again: it goes on from here.")


def _refusal(text: str, number: object) -> InvalidImport | FetchFailed:
    if number is None:
        return InvalidImport(f"{text} Nothing of it was kept.")
    more = " Make room, then run this again: it goes on from here." if number == errno.ENOSPC else ""
    return FetchFailed(f"{text}{more}")


@contextmanager
def _worker(jobs: Sequence[Conversion], cancelled: Cancelled) -> Iterator[Iterator[str]]:
    """The lines that a running worker says; it ends with this context, or when `cancelled` says so."""
    process = subprocess.Popen(
        [sys.executable, "-m", _MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if _PASSED_ON.fullmatch(k)},
        cwd=Path(__file__).parents[3],  # the same `app` as ours, wherever we were started
        text=True,
        start_new_session=True,  # Ctrl-C is ours to handle
    )
    ended = threading.Event()
    watch = threading.Thread(target=_end_when, args=(process, cancelled, ended), daemon=True)
    watch.start()
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        wanted = [{"source": str(job.source), "target": str(job.target)} for job in jobs]
        process.stdin.write(json.dumps({"jobs": wanted}) + "\n")
        process.stdin.close()
        yield iter(process.stdout)
        if cancelled():
            raise FetchCancelled("The import was stopped. What is converted is kept; the same command goes on.")
    finally:
        ended.set()
        watch.join()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _end_when(process: subprocess.Popen[str], cancelled: Cancelled, ended: threading.Event) -> None:
    while not ended.wait(_POLL_S):
        if cancelled():
            process.kill()
            return
