"""The log of each job: ``jobs/<id>.log`` in the data folder, which only its owner can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from app.domain.jobs import Job
from app.system.private_files import create_file, create_folder

FOLDER = "jobs"
_TAIL_BYTES = 16 << 10


def log_name(job_id: str) -> str:
    """The name of a job's log, relative to the data folder."""
    return f"{FOLDER}/{job_id}.log"


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to it."""
    create_folder(path.parent)
    create_file(path)
    return path.open("ab")


def tail(data_dir: Path, job: Job, lines: int) -> list[str]:
    """The last `lines` of a job's log; none if it has no log."""
    if job.log is None:
        return []
    try:
        with (data_dir / job.log).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []


def delete_log(data_dir: Path, job: Job) -> None:
    """Delete the log of a job that is forgotten."""
    if job.log:
        (data_dir / job.log).unlink(missing_ok=True)
