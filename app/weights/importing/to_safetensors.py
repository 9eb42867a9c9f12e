"""Runs the conversion of pickled weights to safetensors in a child process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import FetchCancelled, FetchFailed, InvalidImport
from app.system.child_process import child_process
from app.system.disk import DISK_FULL
from app.weights.formats.sha256sums import write_checksums
from app.weights.progress import Cancelled, OnProgress, Progress

_MODULE = "app.weights.importing.safetensors_worker"


@dataclass(frozen=True, slots=True)
class ConversionJob:
    """One file that the worker writes."""

    weights: Mapping[str, Any]  # its source, in the worker's protocol
    target: str  # file name
    size_bytes: int  # approximate, for progress
    part: int = 0
    parts: int = 1  # the file holds part `part` of so many


@dataclass(frozen=True, slots=True)
class Done:
    """The result of a conversion."""

    checksums: Mapping[str, str]  # SHA-256 of each file written by this run
    total: float | None  # the sum of all recovered values; None if some files existed before


def convert_all(jobs: Sequence[ConversionJob], folder: Path, on_progress: OnProgress, cancelled: Cancelled) -> Done:
    """Convert the files that are not yet in `folder`. **Blocks**. Writes the checksum of each complete file there.

    Raises :class:`InvalidImport` for a rejected file, :class:`FetchFailed` when the disk is full or the process
    ends, and :class:`FetchCancelled`. Finished files stay.
    """
    sizes = {str(folder / job.target): job.size_bytes for job in jobs}
    open_jobs = [job for job in jobs if not (folder / job.target).exists()]
    total = sum(sizes.values())
    done = total - sum(job.size_bytes for job in open_jobs)
    on_progress(Progress("converting", done, total))
    if not open_jobs:
        return Done({}, None)
    checksums: dict[str, str] = {}
    result = 0.0
    written = 0  # bytes of the current file; about the same as bytes read
    with _worker(open_jobs, folder, cancelled) as lines:
        for line in lines:
            said = json.loads(line)
            if "error" in said:
                raise _refusal(str(said["error"]), said.get("errno"))
            if "target" in said:
                done, written = done + sizes[said["target"]], 0
                checksums[Path(said["target"]).name] = said["sha256"]
                write_checksums(folder, checksums)
                result = said["total"]
            else:
                written += int(said["bytes"])
            on_progress(Progress("converting", min(done + written, total), total))
    if any(not (folder / job.target).exists() for job in open_jobs):
        raise FetchFailed("The conversion ended unexpectedly. Is there enough memory? Run the same command to resume.")
    return Done(checksums, result if len(open_jobs) == len(jobs) else None)


def _refusal(text: str, number: object) -> InvalidImport | FetchFailed:
    if number is None:
        return InvalidImport(f"{text} Nothing was kept.")
    more = " Free some space, then run the same command to resume." if number in DISK_FULL else ""
    return FetchFailed(f"{text}{more}")


@contextmanager
def _worker(jobs: Sequence[ConversionJob], folder: Path, cancelled: Cancelled) -> Iterator[Iterator[str]]:
    """The output lines of a running worker."""
    wanted = [
        {"weights": job.weights, "part": job.part, "parts": job.parts, "target": str(folder / job.target)}
        for job in jobs
    ]
    with child_process(_MODULE, cancelled) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"jobs": wanted}) + "\n")
        process.stdin.close()
        yield iter(process.stdout)
        if cancelled():
            raise FetchCancelled(
                "The import was stopped. What has been converted is kept; run the same command to resume."
            )
