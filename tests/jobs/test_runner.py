"""Jobs run in processes of their own, wait for each other, and end in each way that there is."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from pathlib import Path

import psutil
import pytest

from app.domain.jobs import JobProgress
from app.errors import JobNotFound, JobNotResumable, JobNotRunning, JobRunning
from app.jobs import process as process_module
from app.store import changing

from .conftest import USER, Running, jobs_in

pytestmark = pytest.mark.anyio


def children() -> list[psutil.Process]:
    every = psutil.Process().children(recursive=True)
    return [child for child in every if "app.jobs.child" in child.cmdline()]


async def test_a_job_runs_in_a_process_with_low_priority(jobs: Running) -> None:
    jobs.gate.touch()
    job = await jobs.add(rows=3)
    assert job.state == "queued"
    done = await jobs.ended(job)
    assert (done.state, done.progress) == ("done", JobProgress("counting", 3, 3, "rows"))
    assert done.result is not None
    assert (done.result["rows"], done.result["niceness"]) == (3, min(19, os.nice(0) + 10))
    assert done.result["pid"] != os.getpid()
    assert done.started_at is not None
    assert done.ended_at is not None
    assert done.created_at <= done.started_at <= done.ended_at
    assert list(dict.fromkeys(jobs.told)) == [(job.id, state) for state in ("queued", "running", "done")]


async def test_its_log_is_private_and_has_what_it_printed(jobs: Running) -> None:
    jobs.gate.touch()
    done = await jobs.ended(await jobs.add())
    assert done.log is not None
    path = jobs.folder / "data" / done.log
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    text = "\n".join(await jobs.service.log_tail(done))
    assert "beginning at 0" in text
    assert "printed, not an answer" in text
    assert "counting (0 of 3 rows)" in text


async def test_as_many_as_the_kind_allows_run_at_once_and_in_order(jobs: Running) -> None:
    first, second, third = [await jobs.add(name) for name in "abc"]
    await jobs.at_work(first)
    await jobs.at_work(second)
    assert (await jobs.service.get(USER, third.id)).state == "queued"
    assert len(children()) == 2
    jobs.gate.touch()
    for job in (first, second, third):
        assert (await jobs.ended(job)).state == "done"
    running = [job_id for job_id, state in jobs.told if state == "running"]
    assert running == [first.id, second.id, third.id]


async def test_a_failure_has_its_reason(jobs: Running) -> None:
    jobs.gate.touch()
    failed = await jobs.ended(await jobs.add(then="fail"))
    assert failed.state == "failed"
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == ("fetch_failed", "The disk is full. Free some space.")
    assert failed.error.details == {"reason": "disk", "path": "/tmp/x"}
    assert failed.progress == JobProgress("counting", 3, 3, "rows")


async def test_a_bug_and_a_death_are_failures_too(jobs: Running) -> None:
    jobs.gate.touch()
    bug, death = await jobs.add("a", then="bug"), await jobs.add("b", then="die")
    found = await jobs.ended(bug)
    assert found.error is not None
    assert (found.error.code, "ZeroDivisionError: a bug" in found.error.message) == ("job_failed", True)
    assert "Traceback" in "\n".join(await jobs.service.log_tail(found))
    found = await jobs.ended(death)
    assert found.error is not None
    assert (found.error.code, found.error.details) == ("job_failed", {"exit_code": -9})
    assert "ran out of memory" in found.error.message


async def test_cancel_ends_a_running_job(jobs: Running) -> None:
    job = await jobs.add()
    await jobs.at_work(job)
    asked = await jobs.service.cancel(USER, job.id)
    assert (asked.state, asked.cancel_requested) == ("running", True)
    cancelled = await jobs.ended(job)
    assert (cancelled.state, cancelled.error) == ("cancelled", None)
    assert children() == []
    with pytest.raises(JobNotRunning):
        await jobs.service.cancel(USER, job.id)


async def test_a_process_that_does_not_stop_is_killed(jobs: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "_PATIENCE_S", 0.2)
    job = await jobs.add(then="ignore")
    await jobs.at_work(job)
    await jobs.service.cancel(USER, job.id)
    assert (await jobs.ended(job)).state == "cancelled"
    assert children() == []


async def test_a_waiting_job_is_cancelled_at_once(jobs: Running) -> None:
    running = [await jobs.add(name) for name in "ab"]
    for job in running:
        await jobs.at_work(job)
    waiting = await jobs.add("c")
    assert (await jobs.service.cancel(USER, waiting.id)).state == "cancelled"
    assert (await jobs.service.get(USER, waiting.id)).state == "cancelled"


async def test_resume_goes_on_with_the_same_job(jobs: Running) -> None:
    (jobs.folder / "a").write_text("2")
    job = await jobs.add(rows=5)
    await jobs.at_work(job)
    await jobs.service.cancel(USER, job.id)
    await jobs.ended(job)
    jobs.gate.touch()
    assert (await jobs.service.resume(USER, job.id)).state == "queued"
    done = await jobs.ended(job)
    assert done.result is not None
    assert (done.state, done.result["begun"], done.cancel_requested) == ("done", 2, False)
    with pytest.raises(JobNotResumable):
        await jobs.service.resume(USER, job.id)


async def test_some_kinds_can_not_be_resumed(jobs: Running) -> None:
    job = await jobs.ended(await jobs.service.add(USER, "once", {}))
    assert job.state == "failed"
    assert not jobs.service.resumable(job)
    with pytest.raises(JobNotResumable):
        await jobs.service.resume(USER, job.id)


async def test_a_kind_that_is_gone_fails_with_a_reason(jobs: Running) -> None:
    await jobs.store.write(lambda r: r.jobs.add(USER, "of the past", {}))
    (job,) = await jobs.service.listing(USER)
    failed = await jobs.ended(job)
    assert failed.error is not None
    assert "of the past" in failed.error.message


async def test_closing_interrupts_what_runs_and_keeps_what_waits(tmp_path: Path) -> None:
    async with jobs_in(tmp_path) as jobs:
        first, second, waiting = [await jobs.add(name) for name in "abc"]
        for job in (first, second):
            await jobs.at_work(job)
    assert children() == []
    async with jobs_in(tmp_path) as again:
        assert (await again.service.get(USER, first.id)).state == "interrupted"
        again.gate.touch()
        assert (await again.ended(waiting)).state == "done"  # it starts by itself
        await again.service.resume(USER, first.id)
        assert (await again.ended(first)).state == "done"
        assert (await again.service.get(USER, second.id)).state == "interrupted"
        await again.service.cancel(USER, second.id)
        assert (await again.service.get(USER, second.id)).state == "cancelled"


SERVER = """
import asyncio, sys
from pathlib import Path
from tests.jobs.conftest import jobs_in

async def main():
    async with jobs_in(Path(sys.argv[1])) as jobs:
        job = await jobs.add()
        print(job.id, (await jobs.at_work(job)).state, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_after_kill_9_the_process_ends_and_the_job_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    job_id, state = (await server.stdout.readline()).decode().split()
    assert state == "running"
    found = children()
    assert len(found) == 1
    server.kill()
    await server.wait()
    assert await asyncio.to_thread(psutil.wait_procs, found, 10) == (found, [])
    async with jobs_in(tmp_path) as jobs:
        assert jobs.store.opening.interrupted_jobs == 1
        job = await jobs.service.get(USER, job_id)
        assert job.state == "interrupted"
        jobs.gate.touch()
        await jobs.service.resume(USER, job.id)
        assert (await jobs.ended(job)).state == "done"


async def test_a_command_reaches_the_server_through_the_store(jobs: Running) -> None:
    url = f"sqlite:///{jobs.folder / 'data' / 'parley.db'}"
    job = await jobs.add()
    await jobs.at_work(job)

    def change(what: str) -> None:
        with changing(url) as repositories:
            getattr(repositories.jobs, what)(USER, job.id)

    await asyncio.to_thread(change, "cancel")
    assert (await jobs.ended(job)).state == "cancelled"
    jobs.gate.touch()
    await asyncio.to_thread(change, "resume")
    assert (await jobs.ended(job)).state == "done"


async def test_what_has_ended_is_forgotten_with_its_log(jobs: Running) -> None:
    job = await jobs.add()
    running = await jobs.at_work(job)
    assert running.log is not None
    with pytest.raises(JobRunning):
        await jobs.service.forget(USER, job.id)
    await jobs.service.cancel(USER, job.id)
    await jobs.ended(job)
    await jobs.service.forget(USER, job.id)
    assert not (jobs.folder / "data" / running.log).exists()
    assert jobs.told[-1] == (job.id, "forgotten")
    with pytest.raises(JobNotFound):
        await jobs.service.get(USER, job.id)


async def test_progress_is_stored_while_it_runs(jobs: Running) -> None:
    job = await jobs.add(rows=10**9)
    jobs.gate.touch()
    async with asyncio.timeout(20):
        while True:
            stored = await jobs.store.read(lambda r: r.jobs.get(USER, job.id))
            if stored.progress is not None and stored.progress.done > 0:
                break
            await asyncio.sleep(0.05)
