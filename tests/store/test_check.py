from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from app.domain.feedback import Verdict
from app.domain.messages import MessageState
from app.errors import ConfigurationError
from app.store.check import check
from app.store.migrate import head_revision

from .opened import Opened


@contextmanager
def tampering(opened: Opened) -> Iterator[sqlite3.Connection]:
    opened.store.close_now()
    with closing(sqlite3.connect(opened.data_dir / "parley.db")) as connection:
        yield connection
        connection.commit()


def test_a_sound_database_is_counted(opened: Opened) -> None:
    question = opened.question(opened.conversation(), "Hi")
    reply = opened.reply(question, "Hello")
    opened.reply(question, "Hel", MessageState.PENDING)
    opened.write(lambda r: r.ratings.add("local", reply.id, Verdict.UP))
    report = check(opened.url)
    assert report.problems == []
    empty = {"rankings": 0, "jobs": 0, "datasets": 0}
    assert report.counts == {"users": 1, "conversations": 1, "messages": 3, "ratings": 1, **empty}
    assert (report.revision, report.up_to_date, report.running) == (head_revision(), True, 1)


def test_rows_that_point_nowhere_are_found(on_sqlite: Opened) -> None:
    conversation = on_sqlite.conversation()
    on_sqlite.reply(on_sqlite.question(conversation, "Hi"), "Hello")
    with tampering(on_sqlite) as connection:
        connection.execute("DELETE FROM messages WHERE role = 'user'")
    assert any("messages points to a row of messages" in p for p in check(on_sqlite.url).problems)


def test_circles_of_parents_are_found(on_sqlite: Opened) -> None:
    conversation = on_sqlite.conversation()
    question = on_sqlite.question(conversation, "Hi")
    reply = on_sqlite.reply(question, "Hello")
    on_sqlite.question(conversation, "sound")
    with tampering(on_sqlite) as connection:
        connection.execute("UPDATE messages SET parent_id = ? WHERE id = ?", (reply.id, question.id))
    assert check(on_sqlite.url).problems == [
        f"message {given} is part of a circle of parents" for given in sorted((question.id, reply.id))
    ]


def test_leaves_that_are_gone_are_found(on_sqlite: Opened) -> None:
    conversation = on_sqlite.conversation()
    with tampering(on_sqlite) as connection:
        connection.execute("UPDATE conversations SET leaf_id = 'nowhere'")
    assert check(on_sqlite.url).problems == [f"conversation {conversation.id} shows a message that it does not have"]


def test_a_missing_database_is_told(sqlite_url: str) -> None:
    with pytest.raises(ConfigurationError, match="no database"):
        check(sqlite_url)
