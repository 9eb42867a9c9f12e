"""Imported judgements count like those given here, once; files may be large, broken or hostile."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from app.chat.transfer import parley_json
from app.chat.transfer.import_report import ImportReport
from app.chat.transfer.reading.records import MAX_RECORD_CHARS
from app.domain.derivation import derive
from app.domain.feedback import ConversationFeedback, RankedReply, RankingSource, Verdict
from app.domain.messages import Conversation, MessageState, Role
from app.errors import InvalidImport
from app.store import Repositories, Store
from app.store.check import check
from app.system.child_process import SOURCE_ROOT
from tests.support.chat_files import found_in, load, zipped

pytestmark = pytest.mark.anyio
SAMPLES = Path(__file__).parent / "samples"
PAIR = {"prompt": "q", "chosen": "good", "rejected": "bad"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'parley.db'}", tmp_path)
    yield opened
    opened.close_now()


async def feedback(store: Store) -> list[ConversationFeedback]:
    return await store.read(lambda r: list(r.feedback.conversations()))


async def listed(store: Store) -> list[Conversation]:
    return await store.read(lambda r: r.conversations.list("local", limit=500))


@pytest.mark.parametrize("path", sorted(SAMPLES.iterdir()), ids=lambda path: path.name)
async def test_what_is_imported_twice_is_there_once(store: Store, path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()  # noqa: ASYNC240 - a small file
    first = await load(store, data)
    there = await feedback(store)
    again = await load(store, data)
    assert (first.known, again.chats, again.rows, again.messages) == (0, 0, 0, 0)
    assert again.known == first.chats + first.rows > 0
    assert (again.ratings, again.rankings) == (0, 0)
    assert again.newest is not None
    assert await feedback(store) == there
    found = sum(len(one.ratings) for one in there), sum(len(one.rankings) for one in there)
    assert found == (first.ratings, first.rankings)
    assert check(f"sqlite:///{tmp_path / 'parley.db'}").problems == []


async def test_the_order_of_fields_and_the_file_do_not_matter(store: Store) -> None:
    turned = dict(reversed(PAIR.items()))
    report = await load(store, [PAIR, turned])
    assert (report.rows, report.known) == (1, 1)
    assert (await load(store, zipped({"a.json": turned}))).known == 1
    assert (await load(store, {**PAIR, "chosen": "better"})).rows == 1


async def test_rows_of_datasets_are_neither_listed_nor_found_but_count(store: Store) -> None:
    chat = {"title": "good chat", "messages": [{"role": "user", "content": "good"}]}
    report = await load(store, [chat, PAIR])
    assert (report.chats, report.rows, report.rankings) == (1, 1, 1)
    assert report.newest is not None
    assert report.newest.title == "good chat", "which the page opens"
    assert [one.title for one in await listed(store)] == ["good chat"]
    hits = await store.read(lambda r: r.conversations.search("local", "good", 9))
    assert [hit.conversation.title for hit in hits] == ["good chat"]
    assert await store.read(lambda r: len(r.conversations.ids("local"))) == 1
    (row,) = await feedback(store)
    (pair,) = derive(row).pairs
    assert (pair.chosen.message.content, pair.rejected.message.content, pair.source) == ("good", "bad", "import")


async def test_rows_that_share_a_commit_share_its_statements(store: Store) -> None:
    counted = [len(await statements(store, rows, f"of {rows}")) for rows in (2, 30)]
    assert counted[0] == counted[1]


async def statements(store: Store, rows: int, about: str) -> list[str]:
    """What is sent to the database to import so many pairs."""
    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        report = await load(store, [{**PAIR, "prompt": f"{number} {about}"} for number in range(rows)])
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert report.rankings == rows
    return sent


async def test_what_was_deleted_comes_back(store: Store) -> None:
    chat = {"title": "Chat", "messages": [{"role": "user", "content": f"{n}"} for n in range(250)]}
    for data in (chat, {**chat, "messages": chat["messages"][:2]}):
        first = (await load(store, data)).newest
        assert first is not None
        await store.write(lambda r, key=first.id: r.conversations.delete("local", key))
        again = await load(store, data)
        assert again.newest is not None
        assert (again.newest.id, again.chats, again.known) == (first.id, 1, 0)
        assert first.id in {one.id for one in await listed(store)}
        assert (await load(store, data)).known == 1


async def test_raters_of_a_file_are_different_people(store: Store) -> None:
    await load(store, (SAMPLES / "fastchat.jsonl").read_bytes())
    await load(store, (SAMPLES / "arena_votes.jsonl").read_bytes())
    found = await feedback(store)
    raters = Counter(judgement.user_id for one in found for judgement in (*one.ratings, *one.rankings))
    assert sorted(raters.values()) == [1, 4, 6]
    assert "local" not in raters

    def names(r: Repositories) -> list[Any]:
        rows = r.users._session.connection().exec_driver_sql("SELECT name, imported FROM users WHERE id <> 'local'")
        return [tuple(row) for row in rows]

    people = await store.read(names)
    assert len(people) == 3
    assert all(name.startswith("rater ") and imported for name, imported in people)
    assert not any("10.0.0" in name or "arena_user" in name for name, _ in people)


async def test_a_chat_of_ours_comes_back_with_everything(store: Store, tmp_path: Path) -> None:
    def make(r: Repositories) -> str:
        made = r.conversations.create("local", title="Tea", allow_training=False)
        asked = r.messages.add(made.id, None, Role.USER, "How hot?", MessageState.COMPLETE)
        said = ("100", "90", "?")
        replies = [r.messages.add(made.id, asked.id, Role.ASSISTANT, one, MessageState.COMPLETE) for one in said]
        fixed = r.messages.add(
            made.id, asked.id, Role.ASSISTANT, "80", MessageState.COMPLETE, corrects_id=replies[0].id
        )
        r.ratings.add("local", replies[0].id, Verdict.DOWN, ("wrong",), "no", 2)
        order = [RankedReply(fixed.id, 1), RankedReply(replies[0].id, 2)]
        r.rankings.add("local", RankingSource.CORRECTION, order)
        shown = [RankedReply(replies[0].id, 1, 1, {"model_id": "m"}), RankedReply(replies[1].id, 1, 0)]
        r.rankings.add("local", RankingSource.SIDE_BY_SIDE, shown, blind=True)
        bad = [RankedReply(replies[0].id, None, 0), RankedReply(replies[2].id, None, 1)]
        r.rankings.add("local", RankingSource.SIDE_BY_SIDE, bad, both_bad=True)
        open_ = [RankedReply(replies[1].id, None, 0), RankedReply(replies[2].id, None, 1)]
        r.rankings.add("local", RankingSource.RANKING, open_)
        return made.id

    given = await store.write(make)
    exported = await store.read(lambda r: b"".join(parley_json.pieces(parley_json.read("local", given, r))))
    assert json.loads(exported)["version"] == 1, "older versions read it too"
    other = Store.open(f"sqlite:///{tmp_path / 'other' / 'parley.db'}", tmp_path / "other")
    try:
        report = await load(other, exported)
        assert (report.chats, report.ratings, report.rankings) == (1, 1, 3)
        (back,), (before,) = await feedback(other), await feedback(store)
    finally:
        other.close_now()
    assert back.conversation.allow_training is False
    texts = {m.id: m.content for one in (back, before) for m in one.messages}
    assert [m.content for m in back.messages if m.corrects_id and texts[m.corrects_id] == "100"] == ["80"]
    assert {m.imported_model for m in back.messages if m.corrects_id} == {None}, "a person wrote it"

    def said(one: ConversationFeedback) -> list[object]:
        ranked = [
            (
                *(k.source, k.blind, k.both_bad, k.created_at),
                sorted((texts[i.message_id], i.rank, i.position, str(i.settings)) for i in k.items),
            )
            for k in one.rankings
            if not k.is_open
        ]
        return [*ranked, *((x.verdict, x.reasons, x.comment, x.score, x.created_at) for x in one.ratings)]

    assert said(back) == said(before)


async def test_a_cancelled_import_leaves_whole_conversations_only(store: Store, tmp_path: Path) -> None:
    long = [{"role": ("user", "assistant")[n % 2], "content": str(n)} for n in range(3000)]
    rated = {**long[1], "annotation": {"rating": 1}}
    running: list[asyncio.Task[ImportReport]] = []

    def on_progress(report: ImportReport) -> None:
        if report.messages > 500:
            running[0].cancel()

    data = [PAIR, {"title": "Long", "messages": [long[0], rated, *long[2:]]}]
    running.append(asyncio.create_task(load(store, data, on_progress)))
    with pytest.raises(asyncio.CancelledError):
        await running[0]
    (kept,) = await feedback(store)
    assert [m.content for m in kept.messages] == ["q", "good", "bad"]
    with closing(sqlite3.connect(tmp_path / "parley.db")) as connection:
        tables = ("conversations", "messages", "ratings", "rankings", "ranking_items", "search_documents")
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
    assert counts == [1, 3, 0, 1, 2, 0]
    assert (await load(store, data)).known == 1, "and the rest is imported by the next one"
    assert [one.title for one in await listed(store)] == ["Long"]


async def test_imported_judgements_are_in_the_review(store: Store) -> None:
    report = await load(store, (SAMPLES / "open_webui_feedback.json").read_bytes())
    await load(store, {"title": "Long", "messages": [{"role": "user", "content": "q"}] + [_LIKED] * 200})

    def judged(r: Repositories) -> int:
        count = "SELECT count(DISTINCT judgement_id) FROM judged_replies"
        return r.users._session.connection().exec_driver_sql(count).scalar_one()

    assert await store.read(judged) == report.ratings + report.rankings + 200


_LIKED = {"role": "assistant", "content": "a", "annotation": {"rating": 1}}
HOSTILE: list[bytes] = [
    b'{"prompt": "q", "chosen": ' + b"[" * 200_000 + b"]" * 200_000 + b', "rejected": "b"}\n',
    b'{"prompt": "q", "chosen": "a\\u0000b", "rejected": "\\ud800", "meta": "{\\"kind\\": 1}"}\n',
    b'{"prompt": "q", "chosen": "a", "rejected"\n',
    b'{"prompt": "q", "chosen": {"role": "assistant", "content": {"a": [[["x"]]]}}, "rejected": []}\n',
    b'{"prompt": "q", "completions": ["a", "b"], "ranks": [1, 99999999999999999999]}\n',
    b'{"user_input": "q", "completion": "a", "score": 1e999}\n',
    b'{"user_input": "q", "completion": "a", "score": NaN}\n',
    b"\xff\xfe\xff\n",
    b'{"prompt": "q", "chosen": "a", "rejected": "b", "meta": "' + b"[" * 50_000 + b'"}\n',
    b"[" * 100_000 + b"\n",
]


async def test_bad_lines_are_told_by_their_numbers_and_spoil_no_others(store: Store) -> None:
    good = [json.dumps({**PAIR, "prompt": f"q{n}"}).encode() + b"\n" for n in range(len(HOSTILE))]
    lines = b"".join(line for pair in zip(good, HOSTILE, strict=True) for line in pair)
    report = await load(store, lines[: -len(HOSTILE[-1])] + good[0])
    assert report.rows >= len(good)
    assert report.known == 1
    told = {item["title"]: item["reason"] for item in report.named}
    assert told["#2"] == told["#6"] == told["#16"] == "broken"
    assert told["#10"] == "no_messages"
    assert {int(place[1:]) % 2 for place in told} == {0}, "no good line is among them"


async def test_a_line_of_300_mb_is_skipped(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("wb") as file:
        file.write(json.dumps(PAIR).encode() + b'\n{"prompt": "')
        for _ in range(300):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n' + json.dumps({**PAIR, "prompt": "after"}).encode())
    with path.open("rb") as file:
        found = list(_read(file, 1 << 30))
    assert [type(one).__name__ for one in found] == ["ReadConversation", "Unread", "ReadConversation"]
    assert (found[1].reason, found[1].title) == ("too_large", "#2")
    assert MAX_RECORD_CHARS < (300 << 20)
    with pytest.raises(InvalidImport, match="too large"):
        await load(store, b'{"prompt": "' + b"x" * 30_000 + b'"}', max_bytes=20_000)


def _read(file: Any, max_bytes: int) -> Iterator[Any]:
    from app.chat.transfer.reading.formats import read

    return read(file, max_bytes)


@pytest.mark.slow
def test_reading_needs_no_more_memory_for_a_larger_file() -> None:
    row = json.dumps({**PAIR, "chosen": "word " * 400}).encode()
    peaks = []
    for megabytes in (2, 50):
        with tempfile.TemporaryFile() as file:
            for n in range(megabytes * 490):
                file.write(row.replace(b'"q"', b'"q%d"' % n) + b"\n")
            file.seek(0)
            peaks.append(_peak_mib(file))
    assert peaks[1] < peaks[0] + 20, peaks


def _peak_mib(file: Any) -> float:
    """The memory of a process that reads a file, at most."""
    code = (
        "import io, sys, resource; from app.chat.transfer.reading.formats import read\n"
        "n = sum(1 for _ in read(sys.stdin.buffer, 1 << 30)); assert n > 900, n\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    run = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, check=True, cwd=SOURCE_ROOT)
    return int(run.stdout) / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def test_whatever_a_file_with_judgements_holds_reading_it_does_not_fail() -> None:
    """Each value of each sample is replaced by each kind of value."""
    odd: list[Any] = [None, True, -1, 1e308, "", "x", "\ud800", [], [[]], [None], {}, {"": None}, {"id": {}}, [{}]]
    rng = random.Random(20)
    for path in sorted(SAMPLES.iterdir()):
        text = path.read_text("utf-8")
        records = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        for record in records:
            places = list(_places(record))
            for keys in rng.sample(places, min(len(places), 12)):
                for value in odd:
                    changed = json.loads(json.dumps(record))
                    inner = changed
                    for key in keys[:-1]:
                        inner = inner[key]
                    inner[keys[-1]] = value
                    with suppress(InvalidImport):
                        chats, _ = found_in([changed, PAIR])
                        assert [m.content for m in chats[-1].messages] == ["q", "good", "bad"], (path.name, keys, value)


def _places(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if keys:
        yield keys
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, (*keys, key))
