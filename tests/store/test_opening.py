from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from app.domain.messages import MessageState
from app.errors import ConfigurationError, DatabaseDamaged, DatabaseTooNew
from app.store import Store, reading
from app.store.check import check
from app.store.connections import parse_url
from app.store.migrate import head_revision

from .opened import Opened


def test_a_new_database_has_the_local_user_and_needs_no_backup(opened: Opened) -> None:
    assert (opened.store.opening.interrupted, opened.store.opening.purged, opened.store.opening.backup) == (0, 0, None)
    for _ in range(2):
        assert opened.write(lambda r: r.users.ensure_local()) == "local"
    with opened.store._reading.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM users")) == 1


def test_sqlite_is_set_up_to_keep_its_promises(on_sqlite: Opened) -> None:
    with on_sqlite.store._writing.connect() as connection:
        values = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "mmap_size", "busy_timeout")
        ]
    assert values == ["wal", 2, 1, 0, 300]


def test_two_servers_do_not_share_a_database(opened: Opened) -> None:
    running = opened.reply(opened.question(opened.conversation(), "Hi"), "half", MessageState.PENDING)
    with pytest.raises(ConfigurationError, match="Another Parley"):
        Store.open(opened.url, opened.data_dir)
    assert opened.write(lambda r: r.messages.get("local", running.id)).state is MessageState.PENDING
    opened.store.close_now()
    Store.open(opened.url, opened.data_dir).close_now()


def test_the_refusal_names_the_other_process(on_sqlite: Opened) -> None:
    with pytest.raises(ConfigurationError, match=f"Another Parley is using this data folder .*process {os.getpid()}"):
        Store.open(on_sqlite.url, on_sqlite.data_dir)
    code = (
        "import sys, pathlib; from app.store import Store; from app.errors import ConfigurationError\n"
        "try: Store.open(sys.argv[1], pathlib.Path(sys.argv[2]))\n"
        "except ConfigurationError as e: print(e.code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, on_sqlite.url, str(on_sqlite.data_dir)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=True,
    )
    assert run.stdout.strip() == "configuration_error"
    assert on_sqlite.conversation(title="still mine").title == "still mine"


OPEN = (
    "import sys, pathlib; from app.store import Store; from app.errors import ConfigurationError\n"
    "try: Store.open(sys.argv[1], pathlib.Path(sys.argv[2])).close_now()\n"
    "except ConfigurationError as e: print(e.message)"
)


def said_by_another(folder: Path) -> str:
    """What another process says that opens the database in `folder`."""
    command = [sys.executable, "-c", OPEN, f"sqlite:///{folder / 'parley.db'}", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True).stdout


@pytest.mark.parametrize("way", ["symlink", "hard link", "deleted lock"])
def test_no_way_around_the_lock_lets_a_second_server_in(on_sqlite: Opened, tmp_path: Path, way: str) -> None:
    path, folder = on_sqlite.data_dir / "parley.db", tmp_path / "other"
    folder.mkdir()
    if way == "symlink":
        (folder / "parley.db").symlink_to(path)
    elif way == "hard link":
        (folder / "parley.db").hardlink_to(path)
    else:
        folder = on_sqlite.data_dir
        (folder / "parley.db.lock").unlink()
    assert "Another Parley" in said_by_another(folder)
    on_sqlite.store.close_now()
    assert said_by_another(folder) == ""


def test_a_link_to_a_database_that_is_not_there_creates_none(tmp_path: Path) -> None:
    (tmp_path / "parley.db").symlink_to(tmp_path / "unmounted" / "parley.db")
    with pytest.raises(ConfigurationError, match="Is its disk mounted"):
        Store.open(f"sqlite:///{tmp_path / 'parley.db'}", tmp_path)
    assert not (tmp_path / "unmounted").exists()


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE messages",
        "DROP TABLE search_index",
        "ALTER TABLE messages RENAME COLUMN content TO text",
        "ALTER TABLE ratings RENAME COLUMN comment TO text",
        "INSERT INTO alembic_version VALUES ('0000')",
    ],
)
def test_tables_that_are_not_parleys_are_told_at_once(sqlite_url: str, tmp_path: Path, change: str) -> None:
    Store.open(sqlite_url, tmp_path / "data").close_now()
    with closing(sqlite3.connect(tmp_path / "data" / "parley.db")) as connection, connection:
        connection.execute(change)
    with pytest.raises(DatabaseDamaged, match="parley db restore"):
        Store.open(sqlite_url, tmp_path / "data")
    with pytest.raises(DatabaseDamaged, match="parley db restore"):
        check(sqlite_url)
    with pytest.raises(DatabaseDamaged, match="parley db restore"), reading(sqlite_url):
        pass


def test_a_folder_in_place_of_the_database_is_told(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "data" / "parley.db").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="is a folder"):
        Store.open(sqlite_url, tmp_path / "data")


def test_a_database_from_a_newer_version_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    Store.open(sqlite_url, data_dir).close_now()
    path = data_dir / "parley.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = path.read_bytes()
    for _ in range(2):  # the lock is free again
        with pytest.raises(DatabaseTooNew, match="Update Parley") as refused:
            Store.open(sqlite_url, data_dir)
    assert refused.value.details == {"revision": "9999", "known": head_revision()}
    with pytest.raises(DatabaseTooNew), reading(sqlite_url):
        pass
    assert path.read_bytes() == before
    assert not (data_dir / "backups").exists()


@pytest.mark.parametrize("content", [b"hello, I am a letter", b"SQLite format 3\0" + b"\xff" * 8192])
def test_a_file_that_is_no_database_is_left_alone(sqlite_url: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data" / "parley.db"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(DatabaseDamaged, match="parley db restore"):
        Store.open(sqlite_url, path.parent)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "data" / "parley.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(ConfigurationError, match="aren't Parley's"):
        Store.open(sqlite_url, path.parent)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_a_file_where_the_folder_belongs_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("I am a file")
    with pytest.raises(ConfigurationError, match="is not a folder"):
        Store.open(f"sqlite:///{tmp_path / 'data' / 'parley.db'}", tmp_path / "data")


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "sqlite:///:memory:", "mysql://host/parley", "oracle+x://h"])
def test_urls_that_parley_cannot_use_are_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_url(url)


def test_looking_needs_a_database(sqlite_url: str) -> None:
    with pytest.raises(ConfigurationError, match="parley serve"), reading(sqlite_url):
        pass


def test_looking_works_beside_a_server(opened: Opened) -> None:
    made = opened.conversation(title="seen")
    with reading(opened.url) as r:
        assert r.conversations.get("local", made.id) == made
