from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from app.domain.jobs import ACTIVE, Job, JobError, JobOutcome, JobProgress, JobState
from app.errors import InvalidRequest, JobNotFound, JobNotResumable, JobNotRunning, JobRunning
from app.store import Repositories, changing, reading
from app.store.check import check
from app.store.tables import JobRow, UserRow

from .opened import Opened


def added(opened: Opened, **parameters: object) -> Job:
    return opened.write(lambda r: r.jobs.add("local", "fetch", parameters, JobProgress("downloading", 0, 10)))


def current(opened: Opened, job: Job) -> Job:
    return opened.write(lambda r: r.jobs.get("local", job.id))


def running(opened: Opened) -> Job:
    job = added(opened)
    assert opened.write(lambda r: r.jobs.start(job.id, f"jobs/{job.id}.log"))
    return job


def test_a_job_is_kept_with_all_that_happened_to_it(opened: Opened) -> None:
    job = added(opened, model_id="小")
    assert (job.state, job.parameters, job.progress) == (
        "queued",
        {"model_id": "小"},
        JobProgress("downloading", 0, 10),
    )
    assert opened.write(lambda r: r.jobs.start(job.id, "jobs/x.log"))
    assert not opened.write(lambda r: r.jobs.start(job.id, "jobs/x.log"))  # another has started it
    opened.write(lambda r: r.jobs.report({job.id: JobProgress("converting", 3, None, "rows")}))
    found = current(opened, job)
    assert (found.state, found.progress) == ("running", JobProgress("converting", 3, None, "rows"))
    assert found.started_at is not None
    assert found.log == "jobs/x.log"
    opened.write(lambda r: r.jobs.end(job.id, JobOutcome(JobState.DONE, {"rows": 3}), JobProgress("x", 4, 4)))
    found = current(opened, job)
    assert (found.state, found.result, found.progress) == ("done", {"rows": 3}, JobProgress("x", 4, 4))
    assert found.ended_at is not None
    assert found.ended_at <= datetime.now(UTC)
    opened.write(lambda r: r.jobs.report({job.id: JobProgress("late", 1, 1)}))  # after its end
    assert current(opened, job) == found


def test_a_failure_is_kept_and_cleared_by_the_next_run(opened: Opened) -> None:
    job = running(opened)
    error = JobError("fetch_failed", "no\0 such \ud83c file", {"model_id": "x", "bad": "\ud83c"})
    opened.write(lambda r: r.jobs.end(job.id, JobOutcome(JobState.FAILED, error=error)))
    found = current(opened, job)
    assert found.error == JobError("fetch_failed", "no\ufffd such ? file", {"model_id": "x"})
    again = opened.write(lambda r: r.jobs.resume("local", job.id))
    assert (again.state, again.error, again.ended_at, again.id) == ("queued", None, None, job.id)
    assert again.log is not None


def test_cancelling(opened: Opened) -> None:
    waiting, started, done = added(opened), running(opened), running(opened)
    opened.write(lambda r: r.jobs.end(done.id, JobOutcome(JobState.DONE)))
    assert opened.write(lambda r: r.jobs.cancel("local", waiting.id)).state == "cancelled"
    asked = opened.write(lambda r: r.jobs.cancel("local", started.id))
    assert (asked.state, asked.cancel_requested) == ("running", True)  # until the server has ended it
    with pytest.raises(JobNotRunning):
        opened.write(lambda r: r.jobs.cancel("local", done.id))
    with pytest.raises(JobNotResumable):
        opened.write(lambda r: r.jobs.resume("local", done.id))
    assert not opened.write(lambda r: r.jobs.resume("local", waiting.id)).cancel_requested


def test_only_what_has_ended_can_be_forgotten(opened: Opened) -> None:
    job = running(opened)
    with pytest.raises(JobRunning):
        opened.write(lambda r: r.jobs.forget("local", job.id))
    opened.write(lambda r: r.jobs.end(job.id, JobOutcome(JobState.CANCELLED)))
    assert opened.write(lambda r: r.jobs.forget("local", job.id)).id == job.id
    with pytest.raises(JobNotFound):
        current(opened, job)


def test_a_job_belongs_to_its_user(opened: Opened) -> None:
    mine = running(opened)

    def other(r: Repositories) -> Job:
        r.jobs._session.add(UserRow(id="other", name="", created_at=datetime.now(UTC)))
        r.jobs._session.flush()
        return r.jobs.add("other", "fetch", {})

    theirs = opened.write(other)
    for use in ("get", "cancel", "resume", "forget"):
        with pytest.raises(JobNotFound):
            opened.write(lambda r, use=use: getattr(r.jobs, use)("local", theirs.id))
    assert [job.id for job in opened.write(lambda r: r.jobs.newest("local", 9))] == [mine.id]
    assert set(opened.write(lambda r: r.jobs.some("local", [mine.id, theirs.id]))) == {mine.id}
    assert [job.id for job in opened.write(lambda r: r.jobs.in_states(ACTIVE))] == sorted([mine.id, theirs.id])


def test_the_next_start_marks_what_was_running(on_sqlite: Opened) -> None:
    waiting, started, asked = added(on_sqlite), running(on_sqlite), running(on_sqlite)
    on_sqlite.write(lambda r: r.jobs.cancel("local", asked.id))
    on_sqlite.store.close_now()
    again = type(on_sqlite.store).open(on_sqlite.url, on_sqlite.data_dir)
    try:
        assert again.opening.interrupted_jobs == 1
        found = again.submit(lambda r: r.jobs.some("local", [waiting.id, started.id, asked.id])).result()
    finally:
        again.close_now()
    assert [found[job.id].state for job in (waiting, started, asked)] == ["queued", "interrupted", "cancelled"]


def test_commands_change_jobs_while_a_server_has_the_database(opened: Opened) -> None:
    job = running(opened)
    with changing(opened.url) as repositories:
        repositories.jobs.cancel("local", job.id)
    assert current(opened, job).cancel_requested
    with pytest.raises(JobNotFound), changing(opened.url) as repositories:
        repositories.jobs.cancel("local", "nothing")
    with reading(opened.url) as repositories:
        assert [found.id for found in repositories.jobs.newest("local", 1)] == [job.id]


def test_what_can_not_be_stored_is_refused(opened: Opened) -> None:
    with pytest.raises(InvalidRequest):
        added(opened, source="a\0b")


def test_a_damaged_job_does_not_hide_the_others(opened: Opened) -> None:
    damaged, sound = added(opened), added(opened)
    opened.write(
        lambda r: r.jobs._session.execute(update(JobRow).where(JobRow.id == damaged.id).values(progress={"what": 1}))
    )
    assert [job.id for job in opened.write(lambda r: r.jobs.newest("local", 9))] == [sound.id]
    assert [problem for problem in check(opened.url).problems if damaged.id in problem and "progress" in problem]
