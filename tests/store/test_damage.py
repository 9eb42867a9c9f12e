"""A damaged value is reported and hides nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from app.domain.feedback import RankedReply, RankingSource, Verdict
from app.domain.messages import MessageState
from app.errors import DatabaseDamaged
from app.store import Store
from app.store.check import NAMED, check

from .opened import Opened

BAD_UTF8 = "CAST(x'e88cff' AS TEXT)"


def damage(opened: Opened, sql: str, *values: str) -> None:
    with closing(sqlite3.connect(opened.data_dir / "parley.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(sql, values)


@pytest.mark.parametrize(
    "change",
    [
        f"title = {BAD_UTF8}",
        "title = x'00'",
        f"system_prompt = {BAD_UTF8}",
        "sampling = '{nonsense'",
        "sampling = '[1]'",
        "created_at = 'yesterday'",
        "updated_at = 'tomorrow'",
        f"leaf_id = {BAD_UTF8}",
    ],
)
def test_a_damaged_conversation_hides_no_other(
    on_sqlite: Opened, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = [on_sqlite.conversation(title=f"tea {n}") for n in range(5)]
    damage(on_sqlite, f"UPDATE conversations SET {change} WHERE id = ?", made[2].id)
    sound = [c.id for c in reversed(made) if c is not made[2]]
    for _ in range(2):
        listed = on_sqlite.write(lambda r: r.conversations.list("local", limit=4))
        assert [c.id for c in listed] == sound, "a page is as long as ever"
    assert [h.conversation.id for h in on_sqlite.write(lambda r: r.conversations.search("local", "tea", 9))] == sound
    with pytest.raises(DatabaseDamaged, match="parley db restore"):
        on_sqlite.write(lambda r: r.conversations.get("local", made[2].id))
    assert on_sqlite.store.damage.rows == {("conversations", made[2].id)}
    assert len([r for r in caplog.records if made[2].id in r.message]) == 1
    (problem,) = [p for p in check(on_sqlite.url).problems if "conversation " not in p]
    assert problem.startswith(change.partition(" ")[0])
    assert made[2].id in problem


@pytest.mark.parametrize(
    "change",
    [
        f"content = {BAD_UTF8}",
        "content = x'00'",
        "created_at = '2026-99-99 00:00:00.000000'",
        "role = 'pirate'",
        "state = 'undecided'",
        "finish_reason = 'boredom'",
        "sampling = '{'",
        "prompt_tokens = 'many'",
    ],
)
def test_a_damaged_message_hides_no_other(on_sqlite: Opened, change: str) -> None:
    conversation = on_sqlite.conversation()
    question = on_sqlite.question(conversation, "green tea")
    bad = on_sqlite.reply(question, "Gladly.")
    last = on_sqlite.question(conversation, "And coffee?", bad)
    damage(on_sqlite, f"UPDATE messages SET {change} WHERE id = ?", bad.id)
    found = {m.id: m for m in on_sqlite.write(lambda r: r.messages.all(conversation.id))}
    assert (found[question.id], found[last.id]) == (question, last)
    stand_in = found[bad.id]
    assert (stand_in.parent_id, stand_in.state, stand_in.content) == (question.id, MessageState.FAILED, "")
    assert stand_in.error_code == "database_damaged"
    assert on_sqlite.store.damage.rows == {("messages", bad.id)}
    (problem,) = check(on_sqlite.url).problems
    assert change.partition(" ")[0] in problem
    assert bad.id in problem
    on_sqlite.store.close_now()
    Store.open(on_sqlite.url, on_sqlite.data_dir).close_now()  # it does not keep a server from starting


def test_a_damaged_running_reply_does_not_keep_a_server_from_starting(on_sqlite: Opened) -> None:
    running = on_sqlite.reply(on_sqlite.question(on_sqlite.conversation(), "Hi"), "half", MessageState.PENDING)
    on_sqlite.store.close_now()
    damage(on_sqlite, f"UPDATE messages SET content = {BAD_UTF8} WHERE id = ?", running.id)
    store = Store.open(on_sqlite.url, on_sqlite.data_dir)
    store.close_now()
    assert store.opening.interrupted == 1


def test_damaged_rows_are_no_training_data(on_sqlite: Opened) -> None:
    conversation = on_sqlite.conversation()
    first, second = (on_sqlite.reply(on_sqlite.question(conversation, text), text) for text in ("tea", "coffee"))
    for reply in (first, second):
        for verdict in (Verdict.UP, Verdict.DOWN):
            on_sqlite.write(lambda r, m=reply.id, v=verdict: r.ratings.add("local", m, v))
    damage(on_sqlite, f"UPDATE messages SET content = {BAD_UTF8} WHERE id = ?", first.id)
    damage(on_sqlite, "UPDATE ratings SET reasons = '{}' WHERE verdict = 'down'")
    (rated,) = on_sqlite.write(lambda r: list(r.feedback.conversations()))
    assert first.id not in {m.id for m in rated.messages}
    assert second.id in {m.id for m in rated.messages}
    assert {r.verdict for r in rated.ratings} == {Verdict.UP}


@pytest.mark.parametrize("kept", [0, 1])
def test_a_ranking_without_its_replies_is_damaged(on_sqlite: Opened, kept: int) -> None:
    question = on_sqlite.question(on_sqlite.conversation(), "Hi")
    replies = [on_sqlite.reply(question, text) for text in "abc"]
    given = [
        on_sqlite.write(lambda r, some=some: r.rankings.add("local", RankingSource.RANKING, some))  # type: ignore[misc]
        for some in ([RankedReply(m.id, 1) for m in replies], [RankedReply(m.id, 1) for m in replies[:2]])
    ]
    damage(
        on_sqlite,
        "DELETE FROM ranking_items WHERE ranking_id = ? AND message_id NOT IN (?)",
        given[0].id,
        replies[0].id if kept else "",
    )
    (judged,) = on_sqlite.write(lambda r: list(r.feedback.conversations()))
    assert [ranking.id for ranking in judged.rankings] == [given[1].id]
    (problem,) = check(on_sqlite.url).problems
    assert problem == f"items of row {given[0].id} of rankings is damaged: {kept} of at least 2 replies are left"


def test_the_check_names_some_damaged_rows_and_counts_the_others(on_sqlite: Opened) -> None:
    conversation = on_sqlite.conversation()
    for n in range(NAMED + 5):
        on_sqlite.question(conversation, f"question {n}")
    damage(on_sqlite, "UPDATE messages SET role = 'pirate'")
    problems = check(on_sqlite.url).problems
    assert len(problems) == NAMED + 1
    assert problems[-1] == "5 more rows are damaged"
