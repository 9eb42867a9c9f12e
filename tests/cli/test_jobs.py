"""``parley jobs``, beside a server that has the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.jobs import app
from app.domain.jobs import Job, JobError, JobOutcome, JobProgress, JobState
from app.engine.scripted import echo
from app.main import create_app
from app.store import Store
from tests.support.fake_index import SLOW_PIP, FakeIndex, replace_pip
from tests.support.servers import running, scripted_engines, scripted_settings


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("PARLEY_DATABASE_URL", raising=False)
    opened = Store.open(f"sqlite:///{tmp_path / 'data' / 'parley.db'}", tmp_path / "data")
    yield opened
    opened.close_now()


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, args)
    return result.exit_code, result.stdout, result.stderr


def added(store: Store, title: str = "Tiny") -> Job:
    progress = JobProgress("downloading", 0, 93_000_000)
    return store.submit(lambda r: r.jobs.add("local", "fetch", {"title": title}, progress)).result()


def state(store: Store, job: Job) -> str:
    return store.submit(lambda r: r.jobs.get("local", job.id)).result().state


def test_the_list(store: Store) -> None:
    assert run("list")[1].startswith("No jobs.")
    first, second = added(store), added(store, "小模型")
    store.submit(lambda r: r.jobs.start(second.id, "jobs/x.log")).result()
    store.submit(lambda r: r.jobs.report({second.id: JobProgress("counting", 1200, 5000, "rows")})).result()
    store.submit(lambda r: r.jobs.cancel("local", second.id)).result()
    code, out, _ = run("list")
    header, newest, oldest = out.splitlines()
    assert code == 0
    assert header.split() == ["ID", "KIND", "OF", "STATE", "PROGRESS", "CREATED"]
    assert newest.startswith(f"{second.id}  fetch  小模型")
    assert "cancelling  counting 1,200 of 5,000 rows" in newest
    assert oldest.startswith(first.id)
    assert "queued" in oldest
    assert "downloading 0 MB of 93 MB" in oldest


def test_one_with_its_error_and_the_end_of_its_log(store: Store, tmp_path: Path) -> None:
    job = added(store)
    log = tmp_path / "data" / "jobs" / f"{job.id}.log"
    log.parent.mkdir()
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    store.submit(lambda r: r.jobs.start(job.id, f"jobs/{job.id}.log")).result()
    error = JobError("fetch_failed", "The disk is full.")
    store.submit(lambda r: r.jobs.end(job.id, JobOutcome(JobState.FAILED, error=error))).result()
    code, out, _ = run("show", job.id)
    assert code == 0
    assert "Job:       fetch Tiny" in out
    assert "State:     failed" in out
    assert "Error:     The disk is full." in out
    assert f"{log}" in out
    assert [line for line in out.splitlines() if line.startswith("  ")] == [f"  line {n}" for n in range(60, 100)]


def test_cancel_and_resume_what_waits(store: Store) -> None:
    job = added(store)
    assert run("cancel", job.id)[:2] == (0, "Cancelled.\n")
    assert state(store, job) == "cancelled"
    code, _, err = run("cancel", job.id)
    assert (code, err) == (1, "Error: This job has ended already.\n")
    code, out, _ = run("resume", job.id)
    assert (code, out.startswith("Queued.")) == (0, True)
    assert state(store, job) == "queued"
    assert run("resume", job.id)[0] == 1


@pytest.mark.parametrize("command", ["show", "cancel", "resume"])
def test_no_such_job(store: Store, command: str) -> None:
    code, _, err = run(command, "nothing")
    assert code == 2
    assert "There is no such job" in err


def test_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    for command in (["list"], ["cancel", "x"]):
        code, _, err = run(*command)
        assert code == 2
        assert "There is no database" in err
    assert not (tmp_path / "data").exists()


def test_a_running_server_is_reached(index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = scripted_settings(tmp_path)
    (tmp_path / "store" / "manifests" / "tiny.toml").write_text(index.manifest_toml())
    monkeypatch.setenv("PARLEY_DATA_DIR", str(settings.data_dir))
    replace_pip(monkeypatch, tmp_path / "slow", SLOW_PIP)

    def until(*states: str) -> str:
        deadline = time.monotonic() + 30
        while (job := api.http.get("/api/jobs").json()["items"][0])["state"] not in states:
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
        return str(job["id"])

    with running(create_app(settings, scripted_engines(echo())), settings) as api:
        assert api.http.post("/api/models/tiny/pull").status_code == 202
        job_id = until("running")
        assert run("cancel", job_id)[:2] == (0, "The running server cancels it within a few seconds.\n")
        until("cancelled")
        assert api.http.get("/api/models/tiny").json()["state"] == "not_fetched"
        assert run("resume", job_id)[0] == 0
        until("running")
        assert api.http.get("/api/models/tiny").json()["state"] == "fetching"
