"""Jobs: work that takes long, such as a download. A job is stored, so it survives a restart of the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

Unit = Literal["bytes", "rows"]


class JobState(StrEnum):
    """How far a job has come. ``queued`` and ``running`` are active, the others final until it is resumed."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # the server stopped while it was running


ACTIVE = frozenset({JobState.QUEUED, JobState.RUNNING})
RESUMABLE = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Progress within a phase; front ends translate its name."""

    phase: str
    done: int
    total: int | None  # None: unknown
    unit: Unit = "bytes"


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: a :class:`~app.errors.ParleyError` as plain values."""

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a user. Times are UTC."""

    id: str
    user_id: str
    kind: str
    parameters: Mapping[str, Any]
    state: JobState
    created_at: datetime
    progress: JobProgress | None = None  # the last that was reported; kept when it ends
    started_at: datetime | None = None  # of the last run
    ended_at: datetime | None = None
    cancel_requested: bool = False  # by the user, while it was running
    error: JobError | None = None
    result: Mapping[str, Any] | None = None  # of a job that is done
    log: str | None = None  # file with the log of its runs, relative to the data folder

    @property
    def is_active(self) -> bool:
        """Whether it is queued or running."""
        return self.state in ACTIVE


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a run ended: its final state with what belongs to it."""

    state: JobState
    result: Mapping[str, Any] | None = None
    error: JobError | None = None
