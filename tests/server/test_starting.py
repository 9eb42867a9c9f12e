"""What keeps the server from starting is told in a sentence, with an exit code that says whose fault it is."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from app.cli.uvicorn_server import Server, bind
from app.domain.accounts import AccountRole
from app.errors import ConfigurationError, ParleyError
from app.main import create_app
from app.store import Store, changing
from tests.support.processes import parley, serving
from tests.support.servers import scripted_settings
from tests.support.small_disk import remount, small_disk


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


def test_an_address_that_others_reach_needs_an_administrator(tmp_path: Path) -> None:
    code, said = refused(tmp_path, "--host", "0.0.0.0", "--port", "0")
    assert code == 2
    assert "parley users add" in said
    with changing(f"sqlite:///{tmp_path / 'data' / 'parley.db'}") as store:
        store.users.add("ann", "", AccountRole.ADMIN, "checksum")
    with serving(tmp_path, "--host", "0.0.0.0") as running:
        assert "Not encrypted" in (tmp_path / "output").read_text()
        for host, status in (
            ("192.168.7.7", 401),
            ("[fe80::1]:80", 401),
            (socket.gethostname(), 401),
            ("evil.example", 403),
        ):
            assert running.http.get("/api/info", headers={"host": host}).status_code == status


def test_the_first_account_is_made_with_a_link_that_the_start_prints(tmp_path: Path) -> None:
    with serving(tmp_path, "--login") as running:
        found = re.search(r"/login#(\S+)", (tmp_path / "output").read_text())
        assert found is not None
        assert running.http.get("/api/info").status_code == 401
        body = {"token": found[1], "username": "ann", "password": "kettle-boat-9"}
        assert running.http.post("/api/links/use", json=body).json()["user"]["role"] == "admin"
    written = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert found[1].encode() not in written
    assert b"kettle-boat-9" not in written
    with serving(tmp_path) as running:  # from now on always
        assert running.http.get("/api/info").status_code == 401


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


@pytest.mark.parametrize(("change", "sentence"), [("DROP TABLE messages", "restore"), ("DROP TABLE users", "restore")])
def test_a_database_without_a_table(tmp_path: Path, change: str, sentence: str) -> None:
    Store.open(f"sqlite:///{tmp_path / 'data' / 'parley.db'}", tmp_path / "data").close_now()
    database = sqlite3.connect(tmp_path / "data" / "parley.db")
    database.execute(change)
    database.close()
    code, said = refused(tmp_path, "--port", "0")
    assert code == 1
    assert sentence in said


def test_a_folder_in_place_of_the_database(tmp_path: Path) -> None:
    (tmp_path / "data" / "parley.db").mkdir(parents=True)
    code, said = refused(tmp_path, "--port", "0")
    assert code == 2
    assert "is a folder" in said


def test_an_error_that_nobody_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(Store, "open", fail)
    running = Server(create_app(scripted_settings(tmp_path)))
    with pytest.raises(ParleyError, match="could not start: ZeroDivisionError: of all things"):
        running.run(sockets=[])


def test_a_read_only_data_folder_is_served_for_reading(tmp_path: Path) -> None:
    scripted_settings(tmp_path)
    with small_disk(tmp_path / "data", megabytes=4) as disk:
        store = Store.open(f"sqlite:///{disk / 'parley.db'}", disk)
        store.submit(lambda r: r.conversations.create("local", title="Tea")).result(30)
        store.close_now()
        remount(disk, "ro")
        with serving(tmp_path, PARLEY_MODEL="test") as running:
            assert [c["title"] for c in running.http.get("/api/conversations").json()["items"]] == ["Tea"]
            refused = running.http.post("/api/conversations", json={})
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "store_read_only")
            assert running.http.get("/readyz").status_code == 200
        assert "can't be written" in (tmp_path / "output").read_text()


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
