"""kill -9 of the server and of a worker: what is acknowledged stays, what ran is marked, and it goes on."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.processes import ServerProcess, serving
from tests.support.servers import read_events, scripted_settings

TEXT = " ".join(f"字{n}🎉" for n in range(120))  # the echo takes six seconds and more
PATIENT = {"PARLEY_MODEL": "test", "PARLEY_SLOTS": "32"}


class Stream(threading.Thread):
    """One client: asks, and notes everything it is told."""

    def __init__(self, url: str, n: int) -> None:
        super().__init__()
        self.url, self.n = url, n
        self.reply_id = ""
        self.text = ""
        self.finished = False

    def run(self) -> None:
        try:
            with httpx.Client(base_url=self.url, timeout=20, verify=False) as http:
                conversation = http.post("/api/conversations", json={}).json()["id"]
                url, body = f"/api/conversations/{conversation}/messages", {"content": f"{self.n} {TEXT}"}
                with http.stream("POST", url, json=body, headers={"Accept": "text/event-stream"}) as r:
                    for event in read_events(r):
                        if event.name == "message":
                            self.reply_id = event.data["message"]["id"]
                        elif event.name == "delta":
                            self.text += event.data["text"]
                        self.finished |= event.name == "finished"
        except httpx.HTTPError:
            pass  # the server is dead: that is the test


def test_kill_9_of_the_server_during_twenty_streams(tmp_path: Path) -> None:
    scripted_settings(tmp_path)
    with serving(tmp_path, **PATIENT) as first:
        streams = [Stream(first.url, n) for n in range(20)]
        for s in streams:
            s.start()
        deadline = time.monotonic() + 20
        while not all(len(s.text) > 30 for s in streams) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)  # at least one flush each
        first.kill()
        for s in streams:
            s.join(10)
    database = sqlite3.connect(tmp_path / "data" / "parley.db")
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    began = time.monotonic()
    with serving(tmp_path, **PATIENT) as second:
        assert second.http.get("/readyz").status_code == 200
        assert time.monotonic() - began < 10
        listed = second.http.get("/api/conversations").json()["items"]
        assert len(listed) == 20
        stored = {}
        for item in listed:
            for m in second.http.get(f"/api/conversations/{item['id']}").json()["messages"]:
                stored[m["id"]] = m
        assert len(stored) == 40, "every acknowledged question and reply is there"
        for s in streams:
            assert s.reply_id
            assert not s.finished
            reply = stored[s.reply_id]
            assert reply["state"] == "interrupted"
            whole = f"You said: {s.n} {TEXT}"
            assert reply["content"], "a second and a half of text must have been stored"
            assert whole.startswith(reply["content"])
            assert whole.startswith(s.text)
            assert len(s.text) - len(reply["content"]) < 0.5 * len(s.text) + 200
        more = second.http.post(f"/api/messages/{streams[0].reply_id}/continue")
        assert more.status_code == 201


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    scripted_settings(tmp_path)
    with serving(tmp_path, **PATIENT), pytest.raises(AssertionError, match="is using this data"), serving(tmp_path):
        pass


def _with_weights(folder: Path, weights: Path) -> None:
    target = folder / "store" / "weights" / weights.parent.name
    target.mkdir(parents=True)
    (target / weights.name).symlink_to(weights)


@pytest.fixture
def real(tmp_path: Path, default_weights: Path) -> Path:
    """A folder whose store has the default model."""
    target = tmp_path / "store" / "weights" / default_weights.parent.name
    target.mkdir(parents=True)
    (target / default_weights.name).hardlink_to(default_weights)
    return tmp_path


def _ask(running: ServerProcess, text: str) -> tuple[str, str]:
    conversation = running.http.post("/api/conversations", json={}).json()["id"]
    answer = running.http.post(
        f"/api/conversations/{conversation}/messages", json={"content": text, "sampling": {"max_new_tokens": 600}}
    )
    assert answer.status_code == 201, answer.text
    return conversation, answer.json()["reply"]["id"]


def _until(running: ServerProcess, conversation: str, reply_id: str, wanted: tuple[str, ...]) -> dict[str, object]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        messages = running.http.get(f"/api/conversations/{conversation}").json()["messages"]
        found = next(m for m in messages if m["id"] == reply_id)
        if found["state"] in wanted:
            return dict(found)
        time.sleep(0.05)
    raise AssertionError("it did not end")


def test_kill_9_of_the_worker_fails_its_replies_and_the_next_is_answered(real: Path) -> None:
    with serving(real) as running:
        conversation, reply_id = _ask(running, "Write a long story about the sea.")
        time.sleep(1)
        (worker,) = running.workers
        worker.kill()
        failed = _until(running, conversation, reply_id, ("failed",))
        assert failed["error"]["code"] == "worker_died"  # type: ignore[index]
        began = time.monotonic()
        again, next_id = _ask(running, "Say hello.")
        assert time.monotonic() - began < 10
        assert _until(running, again, next_id, ("complete",))["content"]


def test_no_worker_outlives_a_killed_server(real: Path) -> None:
    with serving(real) as running:
        _ask(running, "Write a long story about the sea.")
        workers = running.children
        assert workers
        running.kill()
        gone, alive = psutil.wait_procs(workers, timeout=5)
        assert not alive
        assert len(gone) == len(workers)
