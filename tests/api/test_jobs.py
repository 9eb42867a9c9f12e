"""Jobs over HTTP: listed, watched, cancelled, resumed, forgotten; and what starts them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.domain.jobs import JobError, JobOutcome, JobState
from app.engine.base import EngineFactory
from app.engine.scripted import Reply, ScriptedEngine
from app.main import create_app
from app.store import Repositories
from app.store.tables import UserRow
from tests.support.safetensors_files import write
from tests.support.sentencepiece_files import model
from tests.support.servers import Api, read_events, running, scripted_engines, scripted_settings
from tests.weights.converting.test_convert import CONFIG, tensors


def write_tiny(folder: Path) -> Path:
    write(folder / "model.safetensors", tensors())
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.model").write_bytes(model())
    return folder


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    write_tiny(tmp_path / "store" / "weights" / "tiny")
    settings = scripted_settings(tmp_path, models=("test",))
    engines = scripted_engines(lambda _: Reply.of("x"))
    for name in ("torch", "llama_cpp"):
        engines[name] = EngineFactory(name, lambda _: ScriptedEngine(lambda _: Reply.of("x")))
    with running(create_app(settings, engines), settings) as found:
        yield found


def jobs(api: Api) -> list[dict[str, Any]]:
    return list(api.http.get("/api/jobs").json()["items"])


def ended(api: Api, job_id: str) -> dict[str, Any]:
    for _ in range(1000):
        job: dict[str, Any] = api.http.get(f"/api/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.02)
    raise AssertionError(job)


def write_store(api: Api, work: Callable[[Repositories], Any]) -> Any:
    return api.parts.jobs._store.submit(work).result(20)


def test_a_conversion_over_http(api: Api) -> None:
    started = api.http.post("/api/models/tiny/convert", json={"to": "q8_0"})
    assert started.status_code == 202
    job = started.json()
    assert (job["kind"], job["parameters"]) == ("convert", {"model_id": "tiny", "title": "tiny", "to": "q8_0"})
    done = ended(api, job["id"])
    assert (done["state"], done["error"], done["resumable"]) == ("done", None, False)
    assert done["result"]["model_id"] == "tiny@q8_0"
    assert done["progress"]["unit"] == "bytes"
    assert done["progress"]["done"] == done["progress"]["total"] > 0
    assert any("quantizing" in line for line in done["log"])
    assert [one["id"] for one in jobs(api)] == [job["id"]]
    assert {name: value for name, value in done.items() if name != "log"} == jobs(api)[0]
    tiny = api.http.get("/api/models/tiny").json()
    assert tiny["quantizations"][0]["name"] == "q8_0"


def test_an_import_over_http(api: Api, tmp_path: Path) -> None:
    source = write_tiny(tmp_path / "made" / "mine")
    started = api.http.post("/api/models/import", json={"source": str(source), "name": "yours", "to": "none"})
    assert started.status_code == 202
    assert ended(api, started.json()["id"])["result"] == {"name": "yours", "kind": "model", "notes": []}
    assert api.http.get("/api/models/yours").json()["state"] == "ready"


def test_what_can_not_be_started(api: Api) -> None:
    def post(path: str, **body: Any) -> tuple[int, str]:
        answer = api.http.post(f"/api/models/{path}", json=body)
        return answer.status_code, answer.json()["error"]["code"]

    assert post("tiny/convert", to="q9_9") == (422, "invalid_request")
    assert post("nothing/convert") == (404, "model_not_found")
    assert post("test/convert") == (422, "invalid_import")
    assert post("import", source="/nowhere/at/all") == (422, "invalid_import")
    assert post("import", source="relative") == (422, "invalid_import")
    assert post("import", source="a\0b") == (422, "invalid_request")
    assert post("import", source="/tmp", extra=1) == (422, "invalid_request")
    assert jobs(api) == []


def test_a_failure_is_resumed_and_forgotten(api: Api, tmp_path: Path) -> None:
    source = write_tiny(tmp_path / "made" / "mine")
    (source / "config.json").write_text("{")
    job = api.http.post("/api/models/import", json={"source": str(source), "to": "none"}).json()
    failed = ended(api, job["id"])
    assert (failed["state"], failed["error"]["code"], failed["resumable"]) == ("failed", "invalid_import", True)
    assert set(failed["error"]) == {"code", "message", "details"}
    refused = api.http.post(f"/api/jobs/{job['id']}/cancel")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "job_not_running")
    (source / "config.json").write_text(json.dumps(CONFIG))
    resumed = api.http.post(f"/api/jobs/{job['id']}/resume")
    assert (resumed.status_code, resumed.json()["state"], resumed.json()["error"]) == (202, "queued", None)
    assert ended(api, job["id"])["state"] == "done"
    refused = api.http.post(f"/api/jobs/{job['id']}/resume")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "job_not_resumable")
    assert api.http.delete(f"/api/jobs/{job['id']}").status_code == 204
    assert jobs(api) == []
    assert api.http.get(f"/api/jobs/{job['id']}").status_code == 404


def test_a_job_belongs_to_its_user(api: Api) -> None:
    def other(r: Repositories) -> str:
        r.jobs._session.add(UserRow(id="other", name="", created_at=datetime.now(UTC)))
        r.jobs._session.flush()
        job = r.jobs.add("other", "fetch", {"model_id": "x"})
        r.jobs.end(job.id, JobOutcome(JobState.FAILED, error=JobError("fetch_failed", "secret")))
        return job.id

    theirs = write_store(api, other)
    requests = [("GET", ""), ("POST", "/cancel"), ("POST", "/resume"), ("DELETE", "")]
    for method, action in requests:
        answer = api.http.request(method, f"/api/jobs/{theirs}{action}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "job_not_found")
    assert jobs(api) == []
    with httpx.Client(base_url=api.url, timeout=20) as http, http.stream("GET", "/api/jobs/events") as response:
        assert next(read_events(response)).data == {"items": []}
    assert write_store(api, lambda r: r.jobs.get("other", theirs)).state == "failed"


def test_changes_come_as_events(api: Api) -> None:
    with httpx.Client(base_url=api.url, timeout=20) as http, http.stream("GET", "/api/jobs/events") as response:
        events = read_events(response)
        first = next(events)
        assert (first.name, first.data) == ("jobs", {"items": []})
        job = api.http.post("/api/models/tiny/convert", json={}).json()
        seen = []
        for event in events:
            if event.name == "job":
                assert event.data["job"]["id"] == job["id"]
                seen.append(event.data["job"])
                if seen[-1]["state"] == "done":
                    break
        assert seen[-1] == jobs(api)[0]
        api.http.delete(f"/api/jobs/{job['id']}")
        removed = next(event for event in events if event.name != "heartbeat")
        assert (removed.name, removed.data) == ("removed", {"id": job["id"]})


def test_a_download_is_a_job(api: Api) -> None:
    assert api.http.post("/api/models/test/pull").status_code == 202  # there is nothing to download
    (job,) = jobs(api)
    assert (job["kind"], job["parameters"]["model_id"]) == ("fetch", "test")
    assert ended(api, job["id"])["state"] == "done"
