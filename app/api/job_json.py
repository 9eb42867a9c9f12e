"""Jobs as JSON, in the same form for the list, single jobs and events."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from app.api.errors import ErrorBody
from app.domain.jobs import Job, JobState, Unit
from app.jobs import job_events as events
from app.jobs.service import JobService


class JobProgressPublic(BaseModel):
    """Progress within a phase; ``unit`` is ``bytes`` or ``rows``."""

    phase: str
    done: int
    total: int | None
    unit: Unit


class JobPublic(BaseModel):
    """A job."""

    id: str
    kind: str
    parameters: dict[str, Any]
    state: JobState
    progress: JobProgressPublic | None
    cancel_requested: bool
    resumable: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: ErrorBody | None
    result: dict[str, Any] | None


class JobWithLog(JobPublic):
    """A job with the last lines of its log."""

    log: list[str]


class JobList(BaseModel):
    """The newest jobs, the newest first."""

    items: list[JobPublic]


def job_public(job: Job, jobs: JobService) -> JobPublic:
    """A job as in the list."""
    return JobPublic(
        id=job.id,
        kind=job.kind,
        parameters=dict(job.parameters),
        state=job.state,
        progress=job.progress and JobProgressPublic(**asdict(job.progress)),
        cancel_requested=job.cancel_requested,
        resumable=jobs.resumable(job),
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        error=job.error and ErrorBody(code=job.error.code, message=job.error.message, details=dict(job.error.details)),
        result=job.result and dict(job.result),
    )


def event_json(event: events.JobEvent, jobs: JobService) -> tuple[str, dict[str, Any]]:
    """Name and data of an event."""
    match event:
        case events.JobsListed(listed):
            return "jobs", {"items": [job_public(job, jobs).model_dump(mode="json") for job in listed]}
        case events.JobChanged(job):
            return "job", {"job": job_public(job, jobs).model_dump(mode="json")}
        case events.JobRemoved(job_id):
            return "removed", {"id": job_id}
