"""Errors of jobs."""

from __future__ import annotations

from app.errors.base import Conflict, NotFound, ParleyError


class JobNotFound(NotFound):
    code = "job_not_found"


class JobRunning(Conflict):
    code = "job_running"


class JobNotRunning(Conflict):
    code = "job_not_running"


class JobNotResumable(Conflict):
    code = "job_not_resumable"


class JobFailed(ParleyError):
    """``details``: ``job_id``, ``exit_code``."""

    code = "job_failed"


class JobCancelled(ParleyError):
    """Raised inside a job that has been cancelled."""

    code = "job_cancelled"
