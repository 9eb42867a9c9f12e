"""A long import lets others write, and is there as a whole or not at all."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from app.chat.transfer import importing
from app.chat.transfer.transfers import Transfers
from app.domain.messages import Conversation, MessageState, Role
from app.errors import ConversationNotFound, StoreFull
from app.store import Store

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


async def written_until_done(store: Store, conversation: Conversation, done: asyncio.Task[Conversation]) -> int:
    written = 0
    while not done.done():
        await store.write(lambda r: r.messages.add(conversation.id, None, Role.USER, "short", MessageState.COMPLETE))
        written += 1
    return written


async def test_others_write_during_an_import(store: Store) -> None:
    other = await store.write(lambda r: r.conversations.create("local"))
    imported = asyncio.create_task(Transfers(store).load("local", LONG))
    written = await written_until_done(store, other, imported)
    found = await store.read(lambda r: r.messages.all(imported.result().id))
    assert [m.content for m in found] == [m["content"] for m in LONG["messages"]]
    assert [m.parent_id for m in found[1:]] == [m.id for m in found[:-1]]
    assert written >= len(LONG["messages"]) / importing.SLICE_MESSAGES - 2, "each slice let another in"
    assert (await store.read(lambda r: r.conversations.search("local", "第1999", 5)))[0].message_id == found[-1].id


def test_a_slice_is_small_whatever_its_messages_are() -> None:
    class Text:
        def __init__(self, length: int) -> None:
            self.content = "x" * length

    messages = [Text(n) for n in (10, 400_000, 10, 30_000, 30_000, *([1] * 250))]
    parts = list(importing.slices(messages))  # type: ignore[arg-type]
    assert [m for part in parts for m in part] == messages
    assert [len(part) for part in parts] == [1, 1, 2, 100, 100, 51]


async def test_an_import_that_the_disk_stops_leaves_nothing(store: Store, tmp_path: Path) -> None:
    def limit(pages: int) -> None:
        pragma = text(f"PRAGMA max_page_count={pages}")
        store.submit(lambda r: r.users._session.execute(pragma) and None).result(30)

    before = rows(tmp_path)
    limit(300)  # 1.2 MB: some slices fit
    with pytest.raises(StoreFull):
        await Transfers(store).load("local", LONG)
    assert rows(tmp_path) == before
    limit(1_000_000)
    assert await Transfers(store).load("local", LONG)


async def test_an_unfinished_import_is_not_there(store: Store) -> None:
    given = await store.write(lambda r: r.imports.begin("local", title="half", system_prompt="", sampling={}))
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
from app.store.repositories.imports import ImportedMessage
store = Store.open(sys.argv[1], pathlib.Path(sys.argv[2]))
given = store.submit(lambda r: r.imports.begin("local", title="half", system_prompt="", sampling={})).result()
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
