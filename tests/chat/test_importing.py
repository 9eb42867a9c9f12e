"""A long import lets others write, and is there as a whole or not at all."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.chat.transfer import reading_process
from app.chat.transfer.import_report import ImportReport
from app.chat.transfer.reading.slices import SLICE_MESSAGES, slices
from app.chat.transfer.transfers import Transfers
from app.domain.messages import Conversation, MessageState, Role
from app.errors import ConversationNotFound, InvalidImport, InvalidRequest, StoreFull
from app.store import Repositories, Store
from app.store.imported_rows import ImportedConversation, conversation_columns
from app.store.repositories import imports
from tests.support.chat_files import MAX_BYTES, load

pytestmark = pytest.mark.anyio

LONG = {"messages": [{"role": "user", "content": f"第{n} word " * 20} for n in range(2_000)]}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'parley.db'}", tmp_path)
    yield opened
    opened.close_now()


def rows(folder: Path) -> list[int]:
    """What the tables of conversations hold."""
    tables = ("conversations", "messages", "ratings", "search_documents")
    with closing(sqlite3.connect(folder / "parley.db")) as connection:
        return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


async def written_until_done(store: Store, conversation: Conversation, done: asyncio.Task[ImportReport]) -> int:
    written = 0
    while not done.done():
        await store.write(lambda r: r.messages.add(conversation.id, None, Role.USER, "short", MessageState.COMPLETE))
        written += 1
    return written


async def test_others_write_during_an_import(store: Store) -> None:
    other = await store.write(lambda r: r.conversations.create("local"))
    imported = asyncio.create_task(load(store, LONG))
    written = await written_until_done(store, other, imported)
    found = await store.read(lambda r: r.messages.all(imported.result().newest.id))
    assert [m.content for m in found] == [m["content"] for m in LONG["messages"]]
    assert [m.parent_id for m in found[1:]] == [m.id for m in found[:-1]]
    assert written >= len(LONG["messages"]) / SLICE_MESSAGES - 2, "each slice let another in"
    assert (await store.read(lambda r: r.conversations.search("local", "第1999", 5)))[0].message_id == found[-1].id


def test_a_slice_is_small_whatever_its_messages_are() -> None:
    class Text:
        def __init__(self, length: int) -> None:
            self.content, self.reasoning = "x" * (length - length // 2), "y" * (length // 2)

    messages = [Text(n) for n in (10, 400_000, 10, 30_000, 30_000, *([1] * 250))]
    parts = list(slices(messages))  # type: ignore[arg-type]
    assert [m for part in parts for m in part] == messages
    assert [len(part) for part in parts] == [1, 1, 2, 100, 100, 51]


async def test_an_import_that_the_disk_stops_leaves_nothing(store: Store, tmp_path: Path) -> None:
    def limit(pages: int) -> None:
        pragma = text(f"PRAGMA max_page_count={pages}")
        store.submit(lambda r: r.users._session.execute(pragma) and None).result(30)

    before = rows(tmp_path)
    limit(300)  # 1.2 MB: some slices fit
    with pytest.raises(StoreFull):
        await load(store, LONG)
    assert rows(tmp_path) == before
    limit(1_000_000)
    assert await load(store, LONG)


async def test_an_unfinished_import_is_not_there(store: Store) -> None:
    now = datetime.now(UTC)
    given = await store.write(lambda r: r.imports.begin("local", ImportedConversation("half", "", {}, now, now)))
    assert await store.read(lambda r: r.conversations.list("local", limit=5)) == []
    for include_deleted in (False, True):
        with pytest.raises(ConversationNotFound):
            await store.read(lambda r, d=include_deleted: r.conversations.get("local", given, include_deleted=d))
    with pytest.raises(ConversationNotFound):
        await store.write(lambda r: r.conversations.restore("local", given))


HALF = """
import os, signal, sys, pathlib
from datetime import UTC, datetime
from app.domain.messages import MessageState, Role
from app.store import Store
from tests.support.chat_files import load
from app.store.imported_rows import ImportedConversation, ImportedMessage
store = Store.open(sys.argv[1], pathlib.Path(sys.argv[2]))
about = ImportedConversation("half", "", {}, datetime.now(UTC), datetime.now(UTC))
given = store.submit(lambda r: r.imports.begin("local", about)).result()
first = ImportedMessage(None, Role.USER, "half", MessageState.COMPLETE, datetime.now(UTC))
store.submit(lambda r: r.imports.add("local", given, [first])).result()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_in_the_middle_of_an_import_leaves_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", HALF, url, str(tmp_path)], cwd=root, env=os.environ, check=False)
    assert run.returncode == -signal.SIGKILL
    assert rows(tmp_path) == [1, 1, 0, 1]
    Store.open(url, tmp_path).close_now()
    assert rows(tmp_path) == [0, 0, 0, 0]


def chat(n: int) -> dict[str, object]:
    turns = [{"role": "user", "content": f"question {n}"}, {"role": "assistant", "content": f"answer {n}"}]
    return {"title": f"Chat {n}", "messages": turns}


async def test_many_chats_in_one_file(store: Store) -> None:
    long = {"title": "Long", "messages": LONG["messages"][:250]}
    empty = {"title": "Empty", "messages": [{"role": "user", "content": ""}]}
    told: list[tuple[int, int]] = []

    def on_progress(report: ImportReport) -> None:
        told.append((report.chats, report.messages))

    report = await load(store, [chat(1), empty, long, *(chat(n) for n in range(2, 150))], on_progress)
    titles = [c.title for c in report.listed]
    assert titles == ["Chat 1", "Long", *(f"Chat {n}" for n in range(2, 150))]
    assert (report.messages, dict(report.skipped)) == (2 * 149 + 250, {"no_messages": 1})
    assert report.named == [{"reason": "no_messages", "name": "", "title": "Empty"}]
    assert told[-1] == (150, report.messages)
    assert told == sorted(told)
    listed = await store.read(lambda r: r.conversations.list("local", limit=200))
    assert {c.id for c in listed} == {c.id for c in report.listed}
    assert (await store.read(lambda r: r.conversations.search("local", "answer 77", 5)))[
        0
    ].conversation.title == "Chat 77"


async def test_others_write_while_many_chats_are_imported(store: Store) -> None:
    other = await store.write(lambda r: r.conversations.create("local"))
    imported = asyncio.create_task(load(store, [chat(n) for n in range(500)]))
    written = await written_until_done(store, other, imported)
    assert len(imported.result().listed) == 500
    assert written >= 500 * 2 / SLICE_MESSAGES - 2, "each slice let another in"


async def test_one_chat_that_cannot_be_stored_is_skipped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def columns(user_id: str, given: ImportedConversation, *, consents: bool) -> Any:
        if given.title in ("Chat 2", "Long"):
            raise InvalidRequest("no")
        return conversation_columns(user_id, given, consents=consents)

    monkeypatch.setattr(imports, "conversation_columns", columns)
    report = await load(store, [chat(1), chat(2), {"title": "Long", **LONG}, chat(3)])
    assert [c.title for c in report.listed] == ["Chat 1", "Chat 3"]
    assert [one["title"] for one in report.named] == ["Chat 2", "Long"]


async def test_a_disk_that_fills_up_keeps_the_chats_before_and_says_so(store: Store) -> None:
    pages = store.submit(lambda r: r.users._session.execute(text("PRAGMA page_count")).scalar_one()).result(30)
    limit = text(f"PRAGMA max_page_count={pages + 30}")
    store.submit(lambda r: r.users._session.execute(limit) and None).result(30)
    report = await load(store, [chat(1), {"title": "Long", **LONG}, chat(3)])
    assert [c.title for c in report.listed] == ["Chat 1"]
    assert isinstance(report.stopped, StoreFull)
    assert report.messages == 2


async def test_a_reading_process_that_dies_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_process, "_MODULE", "tests.support.dying_reader")
    with pytest.raises(InvalidImport, match="time or memory"):
        await load(store, chat(1))
    assert await store.read(lambda r: r.conversations.list("local", limit=5)) == []


async def test_a_file_that_needs_too_much_memory_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_process, "_MODULE", "tests.support.reader_with_little_memory")
    with pytest.raises(InvalidImport, match="memory"):
        await load(store, b'{"messages":[' + b"[]," * 9_000_000 + b"[]]}")


async def test_an_archive_of_everything_comes_back(store: Store) -> None:
    transfers = Transfers(store, MAX_BYTES)
    await load(store, [chat(n) for n in range(3)])
    await load(store, {**LONG, "title": "../Long: a/b", "system": "S"})
    gone = (await load(store, chat(99))).newest
    await store.write(lambda r: r.conversations.delete("local", gone.id))
    await store.write(lambda r: r.conversations.create("local", title="empty"))
    archive = b"".join([piece async for piece in transfers.as_archive("local")])
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        assert found.testzip() is None
        names = found.namelist()
        assert all(name.count("/") <= 2 and ".." not in name for name in names)
        assert "Chats: 4" in found.read("parley-chats/README.txt").decode()
    before = await contents(store)
    report = await load(store, archive)
    assert report.chats == 4
    assert (report.skipped, report.left_out, report.changed) == ({}, {}, {})
    after = await contents(store)
    assert after == sorted(before * 2)


async def contents(store: Store) -> list[Any]:
    """All chats with messages, without ids."""

    def work(r: Repositories) -> list[Any]:
        found = [(c, r.messages.all(c.id)) for c in r.conversations.list("local", limit=200)]
        rows = [[(m.role, m.content, m.created_at) for m in messages] for _, messages in found]
        return sorted((c.title, c.system_prompt, row) for (c, _), row in zip(found, rows, strict=True) if row)

    return await store.read(work)
