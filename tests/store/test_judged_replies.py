"""The judged replies beside the log say what the log says: after every judgement, and after a migration."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, create_engine, select, text

from app.domain.feedback import Decision, RankedReply, RankingSource, Verdict, current_rankings, current_ratings
from app.domain.messages import Message, MessageState, Provenance
from app.store.connections import parse_url
from app.store.judged_replies_table import JudgedReplyRow
from app.store.migrate import alembic_config
from app.store.tables import UserRow

from .opened import Opened

UP, DOWN = Verdict.UP, Verdict.DOWN
TABLE = JudgedReplyRow.__table__


def written_by(model: str, adapter: str | None = None, system_prompt: str = "") -> Provenance:
    return Provenance(model, "d", "f", "e", "q", {}, "p", adapter, 0, system_prompt)


def rows(opened: Opened, *names: str) -> list[tuple[Any, ...]]:
    """Some columns of all rows, in order."""
    engine = create_engine(parse_url(opened.url))
    with engine.connect() as connection:
        found = sorted(tuple(row) for row in connection.execute(select(*(TABLE.c[name] for name in names))))
    engine.dispose()
    return found


def replies(opened: Opened, number: int = 2, question: str = "Hi") -> list[Message]:
    asked = opened.question(opened.conversation(), question)
    return [opened.reply(asked, "x" * (10 + n), provenance=written_by(f"m{n}")) for n in range(number)]


def rank(opened: Opened, ranks: Sequence[int | None], items: Sequence[Message], **more: Any) -> str:
    given = [RankedReply(m.id, rank, n) for n, (m, rank) in enumerate(zip(items, ranks, strict=True))]
    source = more.pop("source", RankingSource.SIDE_BY_SIDE)
    return opened.write(lambda r: r.rankings.add("local", source, given, **more)).id


def another_rater(opened: Opened, name: str, judgement_ids: Sequence[str]) -> None:
    """Give judgements to another person; without accounts nobody else can judge a reply."""
    at = opened.conversation().created_at
    opened.write(lambda r: r.users._session.merge(UserRow(id=name, name=name, created_at=at)))

    def give(connection: Connection) -> None:
        for table in ("ratings", "rankings"):
            for judgement_id in judgement_ids:
                values = {"user": name, "id": judgement_id}
                connection.execute(text(f"UPDATE {table} SET user_id = :user WHERE id = :id"), values)

    opened.write(lambda r: give(r.users._session.connection()))


def test_a_thumb_is_there_until_it_is_changed_or_retracted(opened: Opened) -> None:
    (reply, _) = replies(opened, question="你好，今天天气怎么样？")
    opened.write(lambda r: r.ratings.add("local", reply.id, DOWN, ("wrong", "too_long")))
    assert rows(opened, "kind", "player", "language", "characters", "complete", "reasons", "decision") == [
        ("down", "m0", "zh", 10, True, ",wrong,too_long,", "open")
    ]
    opened.write(lambda r: r.ratings.add("local", reply.id, UP))
    assert rows(opened, "kind", "reasons") == [("up", "")]
    opened.write(lambda r: r.ratings.add("local", reply.id, Verdict.RETRACTED))
    assert rows(opened, "kind") == []


def test_a_ranking_is_there_once_decided_until_withdrawn(opened: Opened) -> None:
    first, second = replies(opened)
    rank(opened, (None, None), (first, second), blind=True)
    assert rows(opened, "kind") == []
    rank(opened, (2, 1), (first, second), blind=True)
    assert rows(opened, "player", "rank", "position", "blind") == [("m0", 2, 0, True), ("m1", 1, 1, True)]
    latest = rank(opened, (None, None), (first, second), both_bad=True)
    assert rows(opened, "player", "rank", "both_bad") == [("m0", None, True), ("m1", None, True)]
    opened.write(lambda r: r.rankings.withdraw("local", latest))
    assert rows(opened, "kind") == []


def test_what_wrote_a_reply_and_whether_it_ended(opened: Opened) -> None:
    asked = opened.question(opened.conversation(), "Hi")
    adapted = opened.reply(asked, "a", provenance=written_by("base@int4", "mine"))
    person = opened.reply(asked, "b", corrects_id=adapted.id)
    stopped = opened.reply(asked, "c", MessageState.CANCELLED, provenance=written_by("base"))
    other = opened.reply(asked, "d", provenance=written_by("base", system_prompt="Be brief."))
    for reply in (adapted, person, stopped, other):
        opened.write(lambda r, reply=reply: r.ratings.add("local", reply.id, UP))  # type: ignore[misc]
    found = {row[0]: row[1:] for row in rows(opened, "message_id", "player", "adapter", "complete")}
    assert found == {
        adapted.id: ("base@int4+mine", "mine", True),
        person.id: (None, None, True),
        stopped.id: ("base", None, False),
        other.id: ("base", None, True),
    }
    prompts = dict(rows(opened, "message_id", "prompt"))
    assert prompts[adapted.id] == prompts[stopped.id]
    assert prompts[adapted.id] != prompts[other.id]


def test_a_decision_is_kept_and_can_be_taken_back(opened: Opened) -> None:
    (reply, _) = replies(opened)
    given = opened.write(lambda r: r.ratings.add("local", reply.id, UP))
    for decision in (Decision.EXCLUDED, Decision.ACCEPTED, Decision.OPEN):
        opened.write(lambda r, d=decision: r.feedback.review("local", given.id, d))  # type: ignore[misc]
        assert rows(opened, "decision") == [(decision.value,)]


def test_only_another_rater_makes_a_dispute(opened: Opened) -> None:
    first, second, third = replies(opened, 3)
    rank(opened, (1, 2, 3), (first, second, third))
    same_person = rank(opened, (2, 1), (first, second))
    assert {row[0] for row in rows(opened, "disputed")} == {False}
    another_rater(opened, "ann", [same_person])
    opened.write(lambda r: r.ratings.add("local", first.id, UP))
    assert {row for row in rows(opened, "kind", "disputed") if row[0] != "up"} == {("side_by_side", True)}
    thumb = opened.write(lambda r: r.ratings.add("local", third.id, UP)).id
    another_rater(opened, "bob", [thumb])
    opened.write(lambda r: r.ratings.add("local", third.id, DOWN))
    assert [row for row in rows(opened, "kind", "message_id", "disputed") if row[0] != "side_by_side"] == [
        ("down", third.id, True),
        *sorted([("up", first.id, False), ("up", third.id, True)]),
    ]


def test_deleting_a_chat_or_a_person_deletes_the_rows(opened: Opened) -> None:
    first, second = replies(opened)
    thumb = opened.write(lambda r: r.ratings.add("local", first.id, UP)).id
    opened.write(lambda r: r.ratings.add("local", second.id, UP))
    another_rater(opened, "ann", [thumb])
    opened.write(lambda r: r.ratings.add("local", first.id, DOWN))
    assert len(rows(opened, "id")) == 3
    opened.write(lambda r: r.users._session.delete(r.users._session.get_one(UserRow, "ann")))
    assert len(rows(opened, "id")) == 2
    opened.write(lambda r: r.imports.end(first.conversation_id))
    assert rows(opened, "id") == []


@pytest.mark.parametrize("seed", range(4))
def test_a_random_log_has_the_judgements_that_the_domain_calls_current(opened: Opened, seed: int) -> None:
    random_ = random.Random(seed)
    chats = [replies(opened, 3, question=f"Question {n}") for n in range(3)]
    for _ in range(60):
        items = random_.choice(chats)
        given = judge_somehow(opened, random_, items)
        if random_.random() < 0.3:
            another_rater(opened, random_.choice(("ann", "bob")), [given])
    for items in chats:
        opened.write(lambda r, m=items[0]: r.ratings.add("local", m.id, UP))  # type: ignore[misc]
    log = opened.write(lambda r: list(r.feedback.conversations()))
    ratings = [rating for chat in log for rating in current_ratings(chat.ratings)]
    rankings = [ranking for chat in log for ranking in current_rankings(chat.rankings)]
    current = {rating.id for rating in ratings if rating.verdict is not Verdict.RETRACTED}
    current |= {ranking.id for ranking in rankings if not ranking.withdrawn and not ranking.is_open}
    assert {row[0] for row in rows(opened, "judgement_id")} == current


def judge_somehow(opened: Opened, random_: random.Random, items: Sequence[Message]) -> str:
    """Rate, or rank two or three of the replies, with what can follow: left open, both bad, withdrawn, decided on."""
    if random_.random() < 0.4:
        message, verdict = random_.choice(items), random_.choice(list(Verdict))
        return opened.write(lambda r: r.ratings.add("local", message.id, verdict)).id
    chosen = random_.sample(items, random_.choice((2, 2, 3)))
    both_bad = random_.random() < 0.2
    is_open = both_bad or random_.random() < 0.2
    ranks = [None if is_open else random_.randint(1, 3) for _ in chosen]
    given = rank(opened, ranks, chosen, both_bad=both_bad)
    if random_.random() < 0.2:
        return opened.write(lambda r: r.rankings.withdraw("local", given)).id
    if random_.random() < 0.2:
        opened.write(lambda r: r.feedback.review("local", given, random_.choice(list(Decision))))
    return given


@pytest.mark.parametrize("damaged", ["ratings SET reasons = '{'", "messages SET content = CAST(x'e88cff' AS TEXT)"])
def test_a_damaged_row_keeps_nobody_from_judging(on_sqlite: Opened, damaged: str) -> None:
    first, second = replies(on_sqlite)
    on_sqlite.write(lambda r: r.ratings.add("local", first.id, UP, ("clear",)))
    where = f"WHERE {'message_id' if damaged.startswith('ratings') else 'id'} = '{first.id}'"
    on_sqlite.write(lambda r: r.users._session.execute(text(f"UPDATE {damaged} {where}")))
    on_sqlite.write(lambda r: r.ratings.add("local", second.id, DOWN))
    assert (second.id, "down") in rows(on_sqlite, "message_id", "kind")


def test_the_migration_finds_in_the_log_what_was_kept_beside_it(opened: Opened) -> None:
    names = [column.name for column in TABLE.c if column.name != "id"]
    for n in range(3):
        first, second, third = replies(opened, 3, question=f"Question {n}")
        opened.write(lambda r, m=first: r.ratings.add("local", m.id, DOWN, ("wrong",), "", 3))  # type: ignore[misc]
        opened.write(lambda r, m=first: r.ratings.add("local", m.id, UP))  # type: ignore[misc]
        rank(opened, (1, 1, 2), (first, second, third))
        judged = rank(opened, (2, 1), (first, second))
        opened.write(lambda r, j=judged: r.feedback.review("local", j, Decision.ACCEPTED))  # type: ignore[misc]
    kept = rows(opened, *names)
    assert len(kept) == 3 * 6
    opened.store.close_now()
    engine = create_engine(parse_url(opened.url))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE judged_replies")
        connection.exec_driver_sql("DROP INDEX ix_messages_replies")
        command.stamp(alembic_config(connection), "0007")
        command.upgrade(alembic_config(connection), "0008")
        command.stamp(alembic_config(connection), "head")  # later migrations have been made already
    engine.dispose()
    assert rows(opened, *names) == kept
