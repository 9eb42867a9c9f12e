from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.messages import Conversation, MessageState, Role
from app.errors import ConversationNotFound, InvalidRequest, MessageNotFound
from app.store import Repositories, Store

from .opened import Opened

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_what_is_created_comes_back(opened: Opened) -> None:
    made = opened.conversation(
        title="Tea 茶", model_id="m", system_prompt="Be kind.", sampling={"top_k": 3, "stop": ["END"]}
    )
    assert opened.write(lambda r: r.conversations.get("local", made.id)) == made
    assert made.sampling == {"top_k": 3, "stop": ["END"]}
    assert made.created_at.utcoffset() == timedelta(0)
    assert datetime.now(UTC) - made.created_at < timedelta(minutes=1)


def test_another_users_conversation_is_not_there(opened: Opened) -> None:
    mine = opened.conversation()
    for work in (
        lambda r: r.conversations.get("stranger", mine.id),
        lambda r: r.conversations.update("stranger", mine.id, title="mine now"),
        lambda r: r.conversations.delete("stranger", mine.id),
        lambda r: r.conversations.restore("stranger", mine.id),
        lambda r: r.conversations.list("stranger", limit=5, before=mine.id),
    ):
        with pytest.raises(ConversationNotFound):
            opened.write(work)
    assert opened.write(lambda r: r.conversations.list("stranger", limit=5)) == []


def test_changes_touch_what_they_name(opened: Opened) -> None:
    made = opened.conversation(title="old", model_id="m", sampling={"top_k": 3})
    changed = opened.write(lambda r: r.conversations.update("local", made.id, title="new", model_id=None, pinned=True))
    assert (changed.title, changed.model_id, changed.pinned) == ("new", None, True)
    assert (changed.sampling, changed.updated_at) == (made.sampling, made.updated_at)


def test_a_leaf_must_be_of_the_conversation(opened: Opened) -> None:
    mine, other = opened.conversation(), opened.conversation()
    here, there = opened.question(mine, "Hi"), opened.question(other, "Hi")
    assert opened.write(lambda r: r.conversations.update("local", mine.id, leaf_id=here.id)).leaf_id == here.id
    with pytest.raises(MessageNotFound):
        opened.write(lambda r: r.conversations.update("local", mine.id, leaf_id=there.id))
    with pytest.raises(MessageNotFound):
        opened.write(lambda r: r.conversations.update("local", mine.id, leaf_id="nowhere"))
    opened.write(lambda r: r.conversations.update("local", mine.id, leaf_id=None))
    assert opened.write(lambda r: r.conversations.get("local", mine.id)).leaf_id is None


def test_the_list_has_pinned_ones_first_then_the_newest(opened: Opened) -> None:
    made = [opened.conversation(title=str(i), created_at=LONG_AGO + timedelta(days=i)) for i in range(7)]
    for i in (1, 4):
        opened.write(lambda r, i=i: r.conversations.update("local", made[i].id, pinned=True))
    seen: list[str] = []
    before = None
    while page := opened.write(lambda r, b=before: r.conversations.list("local", limit=2, before=b)):
        seen += [c.title for c in page]
        before = page[-1].id
    assert seen == ["4", "1", "6", "5", "3", "2", "0"]


def test_a_new_message_moves_its_conversation_up(opened: Opened) -> None:
    first = opened.conversation(title="first", created_at=LONG_AGO)
    opened.conversation(title="second", created_at=LONG_AGO + timedelta(days=1))
    opened.question(first, "Hi")
    assert [c.title for c in opened.write(lambda r: r.conversations.list("local", limit=5))] == ["first", "second"]


def test_the_trash_gives_back_until_it_is_purged(opened: Opened) -> None:
    made = opened.conversation()
    question = opened.question(made, "Hi")
    opened.write(lambda r: r.conversations.delete("local", made.id))
    assert opened.write(lambda r: r.conversations.list("local", limit=5)) == []
    with pytest.raises(ConversationNotFound):
        opened.write(lambda r: r.conversations.get("local", made.id))
    with pytest.raises(MessageNotFound):
        opened.write(lambda r: r.messages.get("local", question.id))
    assert opened.write(lambda r: r.conversations.get("local", made.id, include_deleted=True)).deleted_at is not None
    assert opened.write(lambda r: r.conversations.restore("local", made.id)).deleted_at is None
    assert opened.write(lambda r: r.messages.get("local", question.id)) == question
    opened.write(lambda r: r.conversations.delete("local", made.id))
    assert opened.write(lambda r: r.conversations.purge(1)) == 0
    assert opened.write(lambda r: r.conversations.purge(0)) == 1
    with pytest.raises(ConversationNotFound):
        opened.write(lambda r: r.conversations.restore("local", made.id))


def long_ago(path: Path, deleted: Conversation) -> None:
    """As if `deleted` had been put into the trash in 2020: or as if the clock had jumped since."""
    with closing(sqlite3.connect(path)) as connection, connection:
        sql = "UPDATE conversations SET deleted_at = '2020-01-01 10:00:00.000000' WHERE id = ?"
        connection.execute(sql, (deleted.id,))


def messages_on_days_since(path: Path, days: int) -> None:
    """As if the messages had been written on so many days after that, the first one on the same day."""
    with closing(sqlite3.connect(path)) as connection, connection:
        ids = [given for (given,) in connection.execute("SELECT id FROM messages")]
        for n, given in enumerate(ids):
            at = f"2020-01-{1 + min(n, days):02} 12:00:00.000000"
            connection.execute("UPDATE messages SET created_at = ? WHERE id = ?", (at, given))


def test_a_clock_that_jumps_does_not_empty_the_trash(on_sqlite: Opened) -> None:
    made = on_sqlite.conversation(title="dear")
    on_sqlite.question(on_sqlite.conversation(), "written before and after the jump")
    on_sqlite.write(lambda r: r.conversations.delete("local", made.id))
    on_sqlite.store.close_now()
    long_ago(on_sqlite.data_dir / "parley.db", made)
    for _ in range(3):
        store = Store.open(on_sqlite.url, on_sqlite.data_dir, trash_days=7)
        store.close_now()
        assert store.opening.purged == 0
    store = Store.open(on_sqlite.url, on_sqlite.data_dir, trash_days=7)
    assert store.submit(lambda r: r.conversations.restore("local", made.id)).result(30).title == "dear"
    store.close_now()


def test_opening_empties_the_old_trash(on_sqlite: Opened) -> None:
    old, fresh = on_sqlite.conversation(title="old"), on_sqlite.conversation(title="fresh")
    other = on_sqlite.conversation()
    for _ in range(9):
        on_sqlite.question(other, "Hi")
    for c in (old, fresh):
        on_sqlite.write(lambda r, c=c: r.conversations.delete("local", c.id))
    on_sqlite.store.close_now()
    path = on_sqlite.data_dir / "parley.db"
    long_ago(path, old)
    for days, purged in ((6, 0), (7, 1)):
        messages_on_days_since(path, days)
        store = Store.open(on_sqlite.url, on_sqlite.data_dir, trash_days=7)
        store.close_now()
        assert store.opening.purged == purged
    store = Store.open(on_sqlite.url, on_sqlite.data_dir, trash_days=7)
    try:
        assert store.submit(lambda r: r.conversations.restore("local", fresh.id)).result().title == "fresh"
        with pytest.raises(ConversationNotFound):
            store.submit(lambda r: r.conversations.restore("local", old.id)).result()
    finally:
        store.close_now()


def test_a_very_deep_conversation_is_purged_whole(opened: Opened) -> None:
    made = opened.conversation()

    def fill(r: Repositories) -> None:
        parent = None
        for i in range(1_500):  # deeper than SQLite nests a cascade
            role = Role.USER if i % 2 == 0 else Role.ASSISTANT
            parent = r.messages.add(made.id, parent, role, f"turn {i}", MessageState.COMPLETE).id
        r.conversations.delete("local", made.id)

    opened.write(fill)
    assert opened.write(lambda r: r.conversations.purge(0)) == 1
    assert opened.write(lambda r: r.messages.all(made.id)) == []


@pytest.mark.parametrize("bad", ["a\0b", "a\ud800b"])
def test_text_that_no_database_holds_is_refused(opened: Opened, bad: str) -> None:
    made = opened.conversation()
    for work in (
        lambda r: r.conversations.create("local", title=bad),
        lambda r: r.conversations.update("local", made.id, system_prompt=bad),
        lambda r: r.conversations.update("local", made.id, sampling={"stop": [bad]}),
        lambda r: r.messages.add(made.id, None, "user", bad, "complete"),
        lambda r: r.conversations.get("local", bad),
        lambda r: r.messages.get("local", bad),
    ):
        with pytest.raises(InvalidRequest):
            opened.write(work)
    assert opened.write(lambda r: r.conversations.search("local", bad, 5)) == []


def test_numbers_that_json_cannot_carry_are_refused(opened: Opened) -> None:
    with pytest.raises(InvalidRequest):
        opened.conversation(sampling={"temperature": float("nan")})
