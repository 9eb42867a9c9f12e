"""``parley data import``, with and without a running server."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.data import app
from app.store import Store, reading
from tests.support.servers import scripted_settings, serving

ROWS = [{"prompt": f"q{n}", "chosen": "good", "rejected": "bad"} for n in range(3)]
CHAT = {"title": "Chat", "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PARLEY_PORT", str(port))
    monkeypatch.delenv("PARLEY_DATABASE_URL", raising=False)
    return tmp_path / "data"


def run(*arguments: str | Path, command: str = "import") -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [command, *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def written(folder: Path, name: str, *records: object) -> Path:
    path = folder / name
    path.write_text("\n".join(record if isinstance(record, str) else json.dumps(record) for record in records))
    return path


def test_without_a_server_the_command_stores(data_dir: Path, tmp_path: Path) -> None:
    rows, chats = written(tmp_path, "rows.jsonl", ROWS[0], "{broken", *ROWS[1:]), written(tmp_path, "chats.json", CHAT)
    code, told, _ = run(rows, chats)
    assert code == 0
    assert "rows.jsonl: 0 chats, 3 rows, 9 messages, 0 ratings, 3 rankings" in told
    assert "skipped: #2 (broken)" in told
    assert "chats.json: 1 chats, 0 rows, 2 messages" in told
    assert "3 were there already" in run(rows)[1]
    with reading(f"sqlite:///{data_dir / 'parley.db'}") as store:
        assert [c.title for c in store.conversations.list("local", limit=9)] == ["Chat"]
        assert [c.conversation.dataset_file for c in store.feedback.conversations()] == ["rows.jsonl"] * 3


def test_with_a_server_it_imports(data_dir: Path, tmp_path: Path) -> None:
    with serving(scripted_settings(tmp_path, data_dir=data_dir)) as server:
        code, told, _ = run(written(tmp_path, "rows.jsonl", *ROWS), "--url", server.url)
        assert (code, "3 rows" in told) == (0, True)
        assert len(list(server.parts.feedback._store.submit(lambda r: r.feedback.conversation_ids()).result())) == 3
        code, _, problem = run(written(tmp_path, "no.json", "{"), "--url", server.url)
        assert (code, "not JSON" in problem) == (2, True)


def test_a_database_in_use_is_told_with_the_way_out(data_dir: Path, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{data_dir / 'parley.db'}", data_dir)
    try:
        code, _, problem = run(written(tmp_path, "rows.jsonl", *ROWS))
    finally:
        store.close_now()
    assert (code, "--url" in problem) == (2, True)


def test_a_bad_file_does_not_stop_the_others(data_dir: Path, tmp_path: Path) -> None:
    bad, good = written(tmp_path, "bad.json", "{"), written(tmp_path, "good.json", CHAT)
    code, told, problem = run(bad, good)
    assert code == 2
    assert "bad.json: This file is not JSON" in problem
    assert "good.json: 1 chats" in told
    code, _, problem = run(tmp_path / "none.json")
    assert (code, "There is no file" in problem) == (2, True)


@pytest.mark.usefixtures("data_dir")
def test_a_file_over_the_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_MAX_IMPORT_BYTES", "1024")
    code, _, problem = run(written(tmp_path, "long.jsonl", *ROWS * 20))
    assert (code, "PARLEY_MAX_IMPORT_BYTES" in problem) == (2, True)


def test_what_came_from_a_file_is_listed_and_removed_beside_a_server(data_dir: Path, tmp_path: Path) -> None:
    with serving(scripted_settings(tmp_path, data_dir=data_dir)) as server:
        run(written(tmp_path, "rows.jsonl", *ROWS), "--url", server.url)
        assert "rows.jsonl  3" in run(command="imported")[1]
        assert run("other.jsonl", command="remove")[0] == 2
        assert run("rows.jsonl", command="remove")[:2] == (0, "Removed: 3 rows of rows.jsonl\n")
        assert "No rows" in run(command="imported")[1]
        assert server.http.get("/api/feedback/statistics").json()["judgements"] == 0
