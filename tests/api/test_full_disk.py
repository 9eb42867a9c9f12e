"""The disk is full or its database gone: nothing is acknowledged then, and what is stored can be read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from app.chat import reply_task
from tests.api.conftest import LONG
from tests.api.test_replies import subscribed
from tests.support.servers import Api


def test_without_its_database_it_reads_but_acknowledges_nothing(api: Api, tmp_path: Path) -> None:
    conversation = api.conversation(title="Tea")
    answered = api.answer(conversation, "Hello")
    database = tmp_path / "data" / "parley.db"
    database.rename(tmp_path / "aside.db")
    below = {"content": "Go on", "parent_id": answered["id"]}
    for method, path, body in (
        ("POST", "conversations", {}),
        ("POST", f"conversations/{conversation}/messages", below),
        ("PUT", f"messages/{answered['id']}/rating", {"verdict": "up"}),
        ("POST", "conversations/import", {"messages": [{"role": "user", "content": "x"}]}),
    ):
        refused = api.http.request(method, f"/api/{path}", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_gone")
    assert [c["title"] for c in api.http.get("/api/conversations").json()["items"]] == ["Tea"]
    assert len(api.messages(conversation)) == 2
    (tmp_path / "aside.db").rename(database)
    assert api.answer(conversation, "Go on", answered["id"])["state"] == "complete"


def test_a_damaged_message_is_shown_as_damaged_and_counted(api: Api, tmp_path: Path) -> None:
    conversation = api.conversation(title="Tea")
    answered = api.answer(conversation, "Hello")
    with closing(sqlite3.connect(tmp_path / "data" / "parley.db")) as connection, connection:
        connection.execute("UPDATE messages SET content = CAST(x'ff' AS TEXT) WHERE id = ?", (answered["id"],))
    assert api.messages(conversation)[answered["id"]]["error"]["code"] == "database_damaged"
    assert "parley_damaged_rows 1\n" in api.http.get("/metrics").text
    assert api.answer(conversation, "Go on", answered["id"])["state"] == "complete"


def limit_pages(api: Api, pages: int) -> None:
    """Let SQLite say that the disk is full when the database would grow beyond so many pages."""
    pragma = text(f"PRAGMA max_page_count={pages}")
    api.parts.chat._store.submit(lambda r: r.users._session.execute(pragma) and None).result(5)


def test_a_reply_that_ended_on_a_full_disk_is_whole_once_there_is_room(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_task, "FINISH_RETRY_S", (0.01, 0.01))
    conversation = api.conversation()
    thread, events = subscribed(api, conversation, stop_at="error")
    reply_id = api.ask(conversation, "slow " + "x" * 8000)["reply"]["id"]
    limit_pages(api, 1)  # as many as there are now
    thread.join(10)
    assert events[-1].data["error"]["code"] == "store_full"
    assert events[-1].data["message"]["content"] == LONG

    below = {"content": "Go on", "parent_id": reply_id}
    for path, body in ((f"conversations/{conversation}/messages", below), (f"messages/{reply_id}/stop", None)):
        refused = api.http.post(f"/api/{path}", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (507, "store_full")
    assert len(api.messages(conversation)) == 2

    limit_pages(api, 1_000_000)
    answered = api.answer(conversation, "Go on", reply_id)
    assert answered["state"] == "complete"
    ended = api.messages(conversation)[reply_id]
    assert (ended["state"], ended["content"]) == ("complete", LONG)
