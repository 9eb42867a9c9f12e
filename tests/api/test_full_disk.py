"""The disk becomes full while a reply runs, and has room again: nothing acknowledged is lost, and the chat goes on."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.chat import reply_task
from tests.api.conftest import LONG
from tests.api.test_replies import subscribed
from tests.support.servers import Api


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
