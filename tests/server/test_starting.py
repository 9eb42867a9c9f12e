"""What keeps the server from starting is told in a sentence, with an exit code that says whose fault it is."""

from __future__ import annotations

import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from app.cli.uvicorn_server import bind
from app.errors import ConfigurationError
from tests.support.processes import parley, serving
from tests.support.servers import scripted_settings


def refused(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    process = parley(folder, "serve", "--ui", "none", "--no-fetch", *arguments, **environment)
    code = process.wait(timeout=30)
    said = (folder / "output").read_text()
    assert "Traceback" not in said
    return code, " ".join(said.split())


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, said = refused(tmp_path, "--port", str(other.getsockname()[1]))
    assert code == 2
    assert "is in use" in said
    assert "--port" in said


def test_a_port_that_another_server_is_about_to_use() -> None:
    with bind("127.0.0.1", 0) as first, pytest.raises(ConfigurationError, match="is in use"):
        bind("127.0.0.1", first.getsockname()[1])


def test_an_address_that_others_reach(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--host", "0.0.0.0")
    assert code == 2
    assert "127.0.0.1" in said


def test_a_setting_that_makes_no_sense(tmp_path: Path) -> None:
    code, said = refused(tmp_path, PARLEY_CONTEXT_TOKENS="many")
    assert code == 2
    assert "PARLEY_CONTEXT_TOKENS" in said


def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    code, said = refused(tmp_path, "--ui", "gradio", "--port", "0")
    assert code == 2
    assert "PARLEY_DATA_DIR" in said


def test_an_unknown_model(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--model", "nobody", "--port", "0")
    assert code == 2
    assert "nobody" in said


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    database = sqlite3.connect(tmp_path / "data" / "parley.db")
    database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    database.execute("INSERT INTO alembic_version VALUES ('from_the_future')")
    database.commit()
    database.close()
    code, said = refused(tmp_path, "--port", "0")
    assert code == 1
    assert "newer" in said


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "parley.db").write_bytes(b"not a database" * 1000)
    code, said = refused(tmp_path, "--port", "0")
    assert code == 1
    assert "restore" in said


def test_without_any_model_it_starts_and_says_what_to_do(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        conversation = running.http.post("/api/conversations", json={}).json()["id"]
        answer = running.http.post(f"/api/conversations/{conversation}/messages", json={"content": "Hello"})
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "model_not_fetched"
        assert "parley models pull" in answer.json()["error"]["message"]


def test_sigterm_ends_it_quickly_with_streams_open_and_marks_what_ran(tmp_path: Path) -> None:
    scripted_settings(tmp_path)
    with serving(tmp_path, PARLEY_MODEL="test") as running:
        conversation = running.http.post("/api/conversations", json={}).json()["id"]
        with running.http.stream("GET", f"/api/conversations/{conversation}/events") as events:
            next(events.iter_raw())
            text = " ".join(str(n) for n in range(500))
            asked = running.http.post(f"/api/conversations/{conversation}/messages", json={"content": text}).json()
            time.sleep(0.5)
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(timeout=10) == 0  # the reply alone would take longer
    with serving(tmp_path, PARLEY_MODEL="test") as again:
        messages = again.http.get(f"/api/conversations/{conversation}").json()["messages"]
        assert next(m for m in messages if m["id"] == asked["reply"]["id"])["state"] == "interrupted"
