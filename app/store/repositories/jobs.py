"""Repository of jobs. Each change of state is one conditional update, since commands write beside the server."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.domain.ids import new_id
from app.domain.jobs import ACTIVE, RESUMABLE, Job, JobOutcome, JobProgress, JobState
from app.errors import JobNotFound, JobNotResumable, JobNotRunning, JobRunning
from app.store.damage import DamageLog
from app.store.row_mapping import job_from
from app.store.tables import JobRow
from app.store.text_checks import checked, checked_json, storable_details, storable_text


class Jobs:
    """Jobs: those of a user, and the queue of all users for the server that runs them."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage

    # -- of a user -----------------------------------------------------------------------------------

    def add(self, user_id: str, kind: str, parameters: Mapping[str, Any], progress: JobProgress | None = None) -> Job:
        """Add a queued job. `progress` is shown until it starts."""
        checked_json(dict(parameters), "parameters")
        row = JobRow(
            id=new_id(),
            user_id=user_id,
            kind=kind,
            parameters=dict(parameters),
            state=JobState.QUEUED,
            progress=progress and asdict(progress),
            cancel_requested=False,
            created_at=datetime.now(UTC),
        )
        self._session.add(row)
        self._session.flush()
        return job_from(row)

    def get(self, user_id: str, job_id: str) -> Job:
        """One job of this user. Raises :class:`JobNotFound`, also for a job of another user."""
        query = select(JobRow).where(JobRow.id == checked(job_id, "job id"), JobRow.user_id == user_id)
        row = self._session.scalars(query.execution_options(populate_existing=True)).one_or_none()
        if row is None:
            raise JobNotFound("There is no such job. It may have been removed from the list.")
        return self._damage.required(row, job_from)

    def newest(self, user_id: str, limit: int) -> list[Job]:
        """The newest jobs of this user, the newest first."""
        return self._all(select(JobRow).where(JobRow.user_id == user_id).order_by(JobRow.id.desc()).limit(limit))

    def some(self, user_id: str, job_ids: Collection[str]) -> dict[str, Job]:
        """Those of `job_ids` that exist and belong to this user, by id."""
        query = select(JobRow).where(JobRow.user_id == user_id, JobRow.id.in_(job_ids))
        return {job.id: job for job in self._all(query)}

    def cancel(self, user_id: str, job_id: str) -> Job:
        """Cancel a job that waits or was interrupted, or ask the server that runs it to.

        Raises :class:`JobNotRunning` for one that has ended.
        """
        self.get(user_id, job_id)
        waiting = (JobState.QUEUED, JobState.INTERRUPTED)
        ended = {"state": JobState.CANCELLED, "ended_at": datetime.now(UTC)}
        if not self._change(job_id, waiting, ended) and not self._change(
            job_id, (JobState.RUNNING,), {"cancel_requested": True}
        ):
            raise JobNotRunning("This job has ended already.")
        return self.get(user_id, job_id)

    def resume(self, user_id: str, job_id: str) -> Job:
        """Queue a job again that failed, was cancelled or interrupted. Raises :class:`JobNotResumable`."""
        self.get(user_id, job_id)
        cleared = dict.fromkeys(("error_code", "error_message", "error_details", "ended_at"))
        if not self._change(job_id, RESUMABLE, {"state": JobState.QUEUED, "cancel_requested": False, **cleared}):
            raise JobNotResumable("Only a job that failed, was cancelled or interrupted can be resumed.")
        return self.get(user_id, job_id)

    def forget(self, user_id: str, job_id: str) -> Job:
        """Delete a job that is not active; returns what it was. Raises :class:`JobRunning`."""
        job = self.get(user_id, job_id)
        query = delete(JobRow).where(JobRow.id == job_id, JobRow.state.not_in(ACTIVE))
        if not self._session.connection().execute(query).rowcount:
            raise JobRunning("This job is still running. Cancel it first.")
        self._session.expire_all()
        return job

    # -- of all users, for the server ------------------------------------------------------------------

    def in_states(self, states: Collection[JobState], kinds: Collection[str] | None = None) -> list[Job]:
        """The jobs in these states, of these kinds if given, the oldest first."""
        query = select(JobRow).where(JobRow.state.in_(states)).order_by(JobRow.id)
        return self._all(query if kinds is None else query.where(JobRow.kind.in_(kinds)))

    def start(self, job_id: str, log: str) -> bool:
        """Mark a queued job as running; false if it is not queued any more."""
        now = datetime.now(UTC)
        return self._change(job_id, (JobState.QUEUED,), {"state": JobState.RUNNING, "started_at": now, "log": log})

    def report(self, progress: Mapping[str, JobProgress]) -> None:
        """Store the progress of running jobs, by id."""
        for job_id, one in progress.items():
            self._change(job_id, (JobState.RUNNING,), {"progress": asdict(one)})

    def end(self, job_id: str, outcome: JobOutcome, progress: JobProgress | None = None) -> Job | None:
        """Store how an active job ended, and its last progress if there was any; ``None`` if it is not active."""
        error = outcome.error
        values = {
            "state": outcome.state,
            "ended_at": datetime.now(UTC),
            "result": outcome.result and dict(outcome.result),
            "error_code": error and error.code,
            "error_message": error and storable_text(error.message),
            "error_details": error and storable_details(error.details),
            **({"progress": asdict(progress)} if progress else {}),
        }
        if not self._change(job_id, ACTIVE, values):
            return None
        return next(iter(self._all(select(JobRow).where(JobRow.id == job_id))), None)

    def interrupt_running(self) -> int:
        """Mark what the last server left running; returns their number. What was to be cancelled is cancelled."""
        running, ended_at = update(JobRow).where(JobRow.state == JobState.RUNNING), datetime.now(UTC)
        connection = self._session.connection()
        connection.execute(running.where(JobRow.cancel_requested).values(state=JobState.CANCELLED, ended_at=ended_at))
        return connection.execute(running.values(state=JobState.INTERRUPTED, ended_at=ended_at)).rowcount

    # -- private -------------------------------------------------------------------------------------

    def _change(self, job_id: str, states: Collection[JobState], values: Mapping[str, Any]) -> bool:
        """Change a job that is in one of `states`; false if it is not."""
        query = update(JobRow).where(JobRow.id == job_id, JobRow.state.in_(states)).values(**values)
        return self._session.connection().execute(query).rowcount > 0

    def _all(self, query: Any) -> list[Job]:
        rows: Sequence[JobRow] = self._session.scalars(query.execution_options(populate_existing=True)).all()
        return list(self._damage.legible(rows, job_from))
