from __future__ import annotations

import hashlib
import io
import time
import zipfile
from typing import Any

import pytest

from tests.api.test_feedback import two_replies
from tests.support.servers import Api


def judged(api: Api) -> tuple[str, dict[str, Any]]:
    """A conversation, and its reply, which was rated down and corrected."""
    conversation, reply, _ = two_replies(api)
    api.http.put(f"/api/messages/{reply['id']}/rating", json={"verdict": "down", "score": 2}).raise_for_status()
    corrected = api.http.post(f"/api/messages/{reply['id']}/correction", json={"content": "What it should have said."})
    assert corrected.status_code == 201
    return conversation, reply


def built(api: Api, name: str = "tea", **more: Any) -> dict[str, Any]:
    """The dataset, once its job is done."""
    started = api.http.post("/api/datasets", json={"name": name, **more})
    assert started.status_code == 202, started.text
    job = ended(api, started.json()["id"])
    assert job["state"] == "done", job
    assert job["result"] == {"name": name}
    return dict(api.http.get(f"/api/datasets/{name}").json())


def ended(api: Api, job_id: str) -> dict[str, Any]:
    for _ in range(600):
        job = api.http.get(f"/api/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            return dict(job)
        time.sleep(0.05)
    raise AssertionError(f"the job did not end: {job}")


def test_build_list_show_download_delete(api: Api) -> None:
    judged(api)
    assert api.http.get("/api/datasets").json()["items"] == []
    made = built(api, formats=["trl_pairs", "trl_unpaired"], validation_share=0, test_share=0)
    assert made["rows"] == {"trl_pairs": 1, "trl_unpaired": 1}
    assert (made["judgements"], made["conversations"], made["stale"]) == (2, 1, {})
    listed = api.http.get("/api/datasets").json()
    assert [each["name"] for each in listed["items"]] == ["tea"]
    assert "manifest" not in listed["items"][0]
    assert {"name": "trl_unpaired", "kinds": ["label"]}.items() <= next(
        each for each in listed["formats"] if each["name"] == "trl_unpaired"
    ).items()
    for file in made["manifest"]["files"]:
        response = api.http.get(f"/api/datasets/tea/files/{file['name']}")
        assert hashlib.sha256(response.content).hexdigest() == file["sha256"]
        assert file["name"] in response.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(api.http.get("/api/datasets/tea/archive").content))
    assert archive.testzip() is None
    assert set(archive.namelist()) == {f"tea/{file['name']}" for file in made["manifest"]["files"]} | {
        "tea/manifest.json"
    }
    assert api.http.delete("/api/datasets/tea").status_code == 204
    assert api.http.get("/api/datasets/tea").status_code == 404
    assert api.http.get("/api/datasets").json()["items"] == []


def test_a_judgement_says_in_which_datasets_it_counts(api: Api) -> None:
    _, reply = judged(api)
    built(api)
    found = api.http.get(f"/api/messages/{reply['id']}/judgements").json()
    assert {each["kind"]: each["datasets"] for each in found} == {"rating": ["tea"], "ranking": ["tea"]}
    later = judged(api)[1]
    found = api.http.get(f"/api/messages/{later['id']}/judgements").json()
    assert [each["datasets"] for each in found] == [[], []]


def test_what_is_deleted_makes_a_dataset_stale(api: Api) -> None:
    conversation, _ = judged(api)
    built(api)
    api.http.patch(f"/api/conversations/{conversation}", json={"allow_training": False}).raise_for_status()
    assert api.http.get("/api/datasets/tea").json()["stale"] == {"no_consent": 2}
    api.http.delete(f"/api/conversations/{conversation}").raise_for_status()
    assert api.http.get("/api/datasets").json()["items"][0]["stale"] == {"deleted": 2}


def test_a_preview_writes_nothing(api: Api) -> None:
    judged(api)
    shown = api.http.post("/api/datasets/preview", json={"formats": ["trl_pairs"], "filters": {"kinds": ["pair"]}})
    assert shown.status_code == 200, shown.text
    assert shown.json()["formats"]["trl_pairs"]["rows"] == 1
    assert [turn["role"] for turn in shown.json()["formats"]["trl_pairs"]["examples"][0]["prompt"]] == ["user"]
    assert shown.json()["complete"] is True
    assert api.http.get("/api/datasets").json()["items"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"name": "../up"},
        {"name": "a/b"},
        {"name": ""},
        {"name": "x" * 65},
        {"name": "x", "formats": ["parquet"]},
        {"name": "x", "formats": []},
        {"name": "x", "filters": {"reasons": ["boring"]}},
        {"name": "x", "filters": {"tags": ["none"]}},
        {"name": "x", "filters": {"since": "2026-01-01T00:00:00"}},  # without a time zone
        {"name": "x", "filters": {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}},
        {"name": "x", "filters": {"min_score": 0}},
        {"name": "x", "filters": {"kinds": ["label"]}, "formats": ["trl_pairs"]},
        {"name": "x", "validation_share": 0.5, "test_share": 0.5},
    ],
)
def test_bad_requests_are_refused_before_a_job_starts(shared_api: Api, wrong: dict[str, Any]) -> None:
    refused = shared_api.http.post("/api/datasets", json=wrong)
    assert refused.status_code == 422, refused.text
    assert refused.json()["error"]["message"]
    assert shared_api.http.get("/api/jobs").json()["items"] == []


def test_a_taken_name_and_unknown_names(api: Api) -> None:
    judged(api)
    built(api)
    taken = api.http.post("/api/datasets", json={"name": "tea"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "dataset_exists")
    for path in ("/api/datasets/no", "/api/datasets/no/archive", "/api/datasets/no/files/README.md"):
        assert api.http.get(path).json()["error"]["code"] == "dataset_not_found"
    assert api.http.delete("/api/datasets/no").status_code == 404
    for file in ("..%2Fparley.db", "%2Fetc%2Fpasswd", "nothing.jsonl", ".judgements"):
        assert api.http.get(f"/api/datasets/tea/files/{file}").status_code == 404
