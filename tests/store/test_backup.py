from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from app.domain.messages import MessageState, Role
from app.errors import ConfigurationError, DatabaseDamaged, DatabaseTooNew, InvalidRequest
from app.store import Store, reading
from app.store.backup import backup, restore
from app.store.check import check

from .opened import Opened


def titles(url: str) -> set[str]:
    with reading(url) as r:
        return {c.title for c in r.conversations.list("local", limit=100)}


def test_a_backup_under_writes_is_whole(on_sqlite: Opened, tmp_path: Path) -> None:
    conversation = on_sqlite.conversation(title="growing")
    stop = threading.Event()
    written = 0

    def write_on() -> None:
        nonlocal written
        parent = None
        while not stop.is_set():
            parent = on_sqlite.write(
                lambda r, p=parent: r.messages.add(conversation.id, p, Role.USER, "text " * 200, MessageState.COMPLETE)
            ).id
            written += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        counts = []
        for i in range(5):
            at_least = written
            backup(on_sqlite.url, tmp_path / f"{i}.db")
            report = check(f"sqlite:///{tmp_path / f'{i}.db'}")
            assert report.problems == []
            assert report.counts["messages"] >= at_least
            counts.append(report.counts["messages"])
    finally:
        stop.set()
        writer.join()
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
    assert not list(tmp_path.glob("*.part"))


def test_a_restored_backup_is_what_was_backed_up(on_sqlite: Opened, tmp_path: Path) -> None:
    on_sqlite.conversation(title="first")
    backup(on_sqlite.url, tmp_path / "copy.db")
    on_sqlite.conversation(title="second")
    with pytest.raises(ConfigurationError, match="Another Parley"):
        restore(tmp_path / "copy.db", on_sqlite.url)
    on_sqlite.store.close_now()
    aside = restore(tmp_path / "copy.db", on_sqlite.url)
    assert titles(on_sqlite.url) == {"first"}
    assert aside is not None
    assert titles(f"sqlite:///{aside}") == {"first", "second"}
    Store.open(on_sqlite.url, on_sqlite.data_dir).close_now()


def test_what_a_crash_left_in_the_log_goes_aside_too(on_sqlite: Opened, tmp_path: Path) -> None:
    on_sqlite.conversation(title="first")
    backup(on_sqlite.url, tmp_path / "copy.db")
    on_sqlite.conversation(title="in the log only")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in on_sqlite.data_dir.glob("parley.db*"):  # as they lie when the process is killed
        (crashed / file.name).write_bytes(file.read_bytes())
    url = f"sqlite:///{crashed / 'parley.db'}"
    aside = restore(tmp_path / "copy.db", url)
    assert titles(url) == {"first"}
    assert titles(f"sqlite:///{aside}") == {"first", "in the log only"}


def test_a_damaged_database_can_be_replaced(on_sqlite: Opened, tmp_path: Path) -> None:
    on_sqlite.conversation(title="first")
    backup(on_sqlite.url, tmp_path / "copy.db")
    on_sqlite.store.close_now()
    path = on_sqlite.data_dir / "parley.db"
    path.write_bytes(b"gone" * 5000)
    with pytest.raises(DatabaseDamaged):
        Store.open(on_sqlite.url, on_sqlite.data_dir)
    aside = restore(tmp_path / "copy.db", on_sqlite.url)
    assert aside is not None
    assert aside.read_bytes() == b"gone" * 5000
    assert titles(on_sqlite.url) == {"first"}


@pytest.mark.parametrize("kind", ["missing", "letter", "damaged", "foreign", "newer"])
def test_a_backup_that_is_none_changes_nothing(on_sqlite: Opened, tmp_path: Path, kind: str) -> None:
    conversation = on_sqlite.conversation(title="mine")
    for _ in range(50):
        on_sqlite.question(conversation, "text " * 1000)
    copy = tmp_path / "copy.db"
    backup(on_sqlite.url, copy)
    on_sqlite.store.close_now()
    expected: type[Exception] = DatabaseDamaged
    if kind == "missing":
        copy.unlink()
        expected = InvalidRequest
    elif kind == "letter":
        copy.write_text("Dear database")
    elif kind == "damaged":
        whole = copy.read_bytes()
        copy.write_bytes(whole[: len(whole) // 2] + b"\xff" * 20_000 + whole[len(whole) // 2 + 20_000 :])
    elif kind == "foreign":
        copy.unlink()
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("CREATE TABLE bookmarks (url TEXT)")
    else:
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            connection.commit()
        expected = DatabaseTooNew
    before = (on_sqlite.data_dir / "parley.db").read_bytes()
    with pytest.raises(expected):
        restore(copy, on_sqlite.url)
    assert (on_sqlite.data_dir / "parley.db").read_bytes() == before
    assert sorted(p.name for p in on_sqlite.data_dir.iterdir()) == ["parley.db", "parley.db.lock"]


def test_a_backup_never_replaces_a_file(on_sqlite: Opened, tmp_path: Path) -> None:
    target = tmp_path / "diary.txt"
    target.write_text("dear diary")
    with pytest.raises(InvalidRequest, match="exists"):
        backup(on_sqlite.url, target)
    assert target.read_text() == "dear diary"


def test_without_a_database_there_is_nothing_to_back_up(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        backup(sqlite_url, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
