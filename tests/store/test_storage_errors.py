"""Real errors of SQLite: a full disk, a lock that another holds, damaged pages."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.domain.messages import Conversation, MessageState, Role
from app.errors import DatabaseDamaged, StoreBusy, StoreFull
from app.store import Store
from app.store.check import check
from tests.support.small_disk import remount, small_disk

from .opened import Opened

BIG = "x" * 200_000


def set_page_limit(opened: Opened, pages: int) -> None:
    with opened.store._writing.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


def test_a_full_database_acknowledges_nothing_and_recovers(on_sqlite: Opened) -> None:
    conversation = on_sqlite.conversation()
    on_sqlite.question(conversation, "before")
    set_page_limit(on_sqlite, 60)
    started, go = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        started.set()
        assert go.wait(30)

    on_sqlite.store.submit(hold)
    assert started.wait(30)
    group = [
        on_sqlite.store.submit(
            lambda r, text=text: r.messages.add(conversation.id, None, Role.USER, text, MessageState.COMPLETE)
        )
        for text in ("small", BIG, "small too")
    ]
    go.set()
    assert [type(f.exception(30)) for f in group] == [StoreFull] * 3
    set_page_limit(on_sqlite, 1_000_000)
    on_sqlite.question(conversation, "after")
    stored = on_sqlite.write(lambda r: r.messages.all(conversation.id))
    assert [m.content for m in stored] == ["before", "after"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def test_a_full_disk_acknowledges_nothing_and_recovers(disk: Path) -> None:
    url = f"sqlite:///{disk / 'parley.db'}"
    store = Store.open(url, disk)
    opened = Opened(store, url, disk)
    try:
        conversation = opened.conversation()
        kept = fill(opened, conversation)
        with pytest.raises(StoreFull):
            opened.question(conversation, BIG)
        stored = opened.write(lambda r: r.messages.all(conversation.id))
        assert 0 < kept == len(stored)
        remount(disk, "size=8m")
        opened.question(conversation, BIG)
        assert len(opened.write(lambda r: r.messages.all(conversation.id))) == kept + 1
    finally:
        store.close_now()
    assert check(url).problems == []


def test_a_lock_that_another_holds_is_waited_for_then_refused(on_sqlite: Opened) -> None:
    with closing(sqlite3.connect(on_sqlite.data_dir / "parley.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy) as refused:
            on_sqlite.conversation(title="never")
        assert refused.value.details["retry_after_s"] == 1
        other.execute("ROLLBACK")
    assert on_sqlite.conversation(title="now").title == "now"
    assert [c.title for c in on_sqlite.write(lambda r: r.conversations.list("local", limit=9))] == ["now"]


def test_a_short_lock_is_only_waited_for(on_sqlite: Opened) -> None:
    with closing(
        sqlite3.connect(on_sqlite.data_dir / "parley.db", isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.1, other.execute, ["ROLLBACK"])
        timer.start()
        assert on_sqlite.conversation(title="waited").title == "waited"
        timer.join()


def test_damage_found_at_work_is_told_with_the_way_out(on_sqlite: Opened) -> None:
    conversation = on_sqlite.conversation()
    for _ in range(20):
        on_sqlite.question(conversation, BIG)
    on_sqlite.store.close_now()
    path = on_sqlite.data_dir / "parley.db"
    store = Store.open(on_sqlite.url, on_sqlite.data_dir)  # sound so far
    try:
        damage(path, path.stat().st_size // 2)
        with pytest.raises(DatabaseDamaged, match="parley db restore"):
            store.submit(lambda r: r.messages.all(conversation.id)).result(30)
    finally:
        store.close_now()
    report = check(on_sqlite.url)
    assert report.problems
    with pytest.raises(DatabaseDamaged, match="parley db restore"):
        Store.open(on_sqlite.url, on_sqlite.data_dir)


def fill(opened: Opened, conversation: Conversation) -> int:
    """Write until the disk is full; how many messages were acknowledged."""
    for kept in range(50):
        try:
            opened.question(conversation, BIG)
        except StoreFull:
            return kept
    raise AssertionError("10 MB went onto a disk of 2")


def damage(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at // 4096 * 4096)
        file.write(b"\xff" * 40_960)
