"""Routes of jobs: list, watch, show, cancel, resume, forget. They are started where their results belong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from app.api import sse
from app.api.deps import Services, ServicesDep, UserId
from app.api.job_json import JobList, JobPublic, JobWithLog, event_json, job_public
from app.api.schemas import Id

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.get("")
async def list_jobs(user_id: UserId, services: ServicesDep) -> JobList:
    """List the newest 200 jobs, the newest first."""
    found = await services.jobs.listing(user_id)
    return JobList(items=[job_public(job, services.jobs) for job in found])


@router.get("/events", response_class=StreamingResponse, responses={200: sse.EVENT_STREAM})
async def watch_jobs(user_id: UserId, services: ServicesDep) -> StreamingResponse:
    """Subscribe to the jobs: all, then changes, as server-sent events (see docs/api.md)."""
    return sse.response(_events(user_id, services))


async def _events(user_id: str, services: Services) -> AsyncIterator[bytes]:
    jobs = services.jobs
    async with aclosing(jobs.subscribe(user_id, services.settings.heartbeat_s)) as subscription:
        async for event in subscription:
            yield sse.HEARTBEAT if event is None else sse.encode(*event_json(event, jobs))


@router.get("/{job_id}")
async def get_job(user_id: UserId, services: ServicesDep, job_id: Id) -> JobWithLog:
    """Get one job as in the list, with the last lines of its log."""
    job = await services.jobs.get(user_id, job_id)
    shown = job_public(job, services.jobs)
    return JobWithLog(**shown.model_dump(), log=await services.jobs.log_tail(job))


@router.post("/{job_id}/cancel", status_code=202)
async def cancel(user_id: UserId, services: ServicesDep, job_id: Id) -> JobPublic:
    """Cancel a job. One that runs has ended a few seconds later. 409 for one that has ended."""
    return job_public(await services.jobs.cancel(user_id, job_id), services.jobs)


@router.post("/{job_id}/resume", status_code=202)
async def resume(user_id: UserId, services: ServicesDep, job_id: Id) -> JobPublic:
    """Queue a job again that failed, was cancelled or interrupted. 409 for any other, and for some kinds."""
    return job_public(await services.jobs.resume(user_id, job_id), services.jobs)


@router.delete("/{job_id}", status_code=204)
async def forget(user_id: UserId, services: ServicesDep, job_id: Id) -> Response:
    """Remove a job that has ended from the list; what it made stays. 409 for one that is active."""
    await services.jobs.forget(user_id, job_id)
    return Response(status_code=204)
