from __future__ import annotations

import importlib.util
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, MetaData, PrimaryKeyConstraint, UniqueConstraint, create_engine, inspect

from app.domain.accounts import AccountRole
from app.store import Store, migrate, reading
from app.store.check import check
from app.store.connections import parse_url
from app.store.migrate import KEPT_BACKUPS, alembic_config, head_revision
from app.store.tables import Base

from .opened import Opened

_NOW = "'2026-11-24 08:00:00.000000'"
SEARCH_ROWS = (
    f"INSERT INTO users (id, name, created_at) VALUES ('local', '', {_NOW})",
    "INSERT INTO conversations (id, user_id, title, system_prompt, sampling, pinned, created_at, updated_at)"
    f" VALUES ('c1', 'local', 'วันนี้อากาศดี', '', '{{}}', false, {_NOW}, {_NOW})",
    "INSERT INTO messages (id, conversation_id, role, content, state, created_at, dropped_turns, prompt_tokens, "
    "completion_tokens, cached_tokens)"
    f" VALUES ('m1', 'c1', 'user', 'Café iPhone15', 'complete', {_NOW}, 0, 0, 0, 0)",
    "INSERT INTO search_documents (id, conversation_id, message_id, text) VALUES (1, 'c1', NULL, ' วันนี้อากาศดี ')",
    "INSERT INTO search_documents (id, conversation_id, message_id, text) VALUES (2, 'c1', 'm1', ' café iphone15 ')",
)
_MESSAGE = (
    "INSERT INTO messages (id, conversation_id, parent_id, role, content, state, created_at, dropped_turns, "
    "prompt_tokens, completion_tokens, cached_tokens, model_id, error_code) VALUES ('{}', 'c', {}, '{}', 'x', '{}', "
    "'2026-01-01 00:00:00', 0, 0, 0, 0, {}, {})"
)
_REPLIES = ("imported", "written")
ORIGIN_ROWS = (
    "INSERT INTO users VALUES ('local', 'local', '2026-01-01 00:00:00')",
    "INSERT INTO conversations VALUES ('c', 'local', '', NULL, '', '{}', 'written', 0, "
    "'2026-01-01 00:00:00', '2026-01-01 00:00:00', NULL)",
    _MESSAGE.format("q", "NULL", "user", "complete", "NULL", "NULL"),
    _MESSAGE.format("imported", "'q'", "assistant", "complete", "NULL", "NULL"),
    _MESSAGE.format("written", "'q'", "assistant", "failed", "'small'", "'worker_failed'"),
)

_JUDGED = (
    "INSERT INTO ratings VALUES ({}, 'r{}', 'written', 'local', '{}', '[]', '', 3, '2026-01-01 00:00:00')",
    "INSERT INTO rankings VALUES ({}, 'k{}', 'local', 'c', 'q', 'ranking', 0, 1, 0, '2026-01-01 00:00:00')",
    "INSERT INTO reviews VALUES ({}, 'v{}', 'r1', NULL, 'local', 'accepted', '', '2026-01-01 00:00:00')",
)
JUDGED_ROWS = (
    *(_JUDGED[0].format(*row) for row in ((1, 1, "up"), (2, 2, "damaged"), (5, 5, "down"))),
    *(_JUDGED[1].format(number, number) for number in (3, 4)),
    *(f"INSERT INTO ranking_items VALUES ('k{k}', '{m}', NULL, NULL, '{{}}')" for k in (3, 4) for m in _REPLIES),
    _JUDGED[2].format(6, 6),
)
NEXT = """
from alembic import op
import sqlalchemy as sa
revision = "{revision}"
down_revision = "{before}"
def upgrade():
    op.add_column("users", sa.Column("{column}", sa.Text))
    {then}
"""


def test_the_migrations_make_the_tables_of_the_code(opened: Opened) -> None:
    def ours(name: str | None, kind: str, _: object) -> bool:
        return not (kind == "table" and str(name).startswith("search_index"))  # FTS5's own tables

    engine = create_engine(parse_url(opened.url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": ours})
        assert compare_metadata(context, Base.metadata) == []
        inspector = inspect(connection)
        for table in Base.metadata.tables.values():  # Alembic does not compare checks
            coded = {c.name: str(c.sqltext) for c in table.constraints if isinstance(c, CheckConstraint)}
            stored = {c["name"]: c["sqltext"] for c in inspector.get_check_constraints(table.name)}
            assert coded.keys() == stored.keys()
            if connection.dialect.name == "sqlite":  # PostgreSQL writes them anew
                assert coded == stored
    engine.dispose()


def at_first_revision(opened: Opened, statements: tuple[str, ...]) -> Store:
    """The store opened on a database of the first revision, as its version wrote it."""
    opened.store.close_now()
    engine = create_engine(parse_url(opened.url))
    with engine.begin() as connection:
        MetaData().reflect(connection)
        for table in ("search_index", *(table.name for table in reversed(Base.metadata.sorted_tables))):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table}")
        connection.exec_driver_sql("DROP TABLE alembic_version")
        command.upgrade(alembic_config(connection), "0001")
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
    return Store.open(opened.url, opened.data_dir)


def test_texts_are_indexed_again_when_the_tokens_change(opened: Opened) -> None:
    store = at_first_revision(opened, SEARCH_ROWS)
    hits = [
        store.submit(lambda r, q=q: r.conversations.search("local", q, 9)).result() for q in ("cafe", "15", "อากาศ")
    ]
    store.close_now()
    assert [[hit.message_id for hit in found] for found in hits] == [["m1"], ["m1"], [None]]


def test_replies_of_the_first_tables_keep_what_they_say(tmp_path: Path) -> None:
    """A reply without provenance was imported; a failed one has no details yet."""
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        for statement in ORIGIN_ROWS:
            connection.exec_driver_sql(statement)
    engine.dispose()
    store = Store.open(url, tmp_path)
    try:
        found = {m.id: m for m in store.submit(lambda r: r.messages.all("c")).result()}
    finally:
        store.close_now()
    assert {key: m.imported_model for key, m in found.items()} == {"q": None, "imported": "", "written": None}
    assert (found["written"].error_code, found["written"].error_details) == ("worker_failed", {})
    assert check(url).problems == []


def test_the_reasoning_of_earlier_replies_is_taken_out_of_their_text(opened: Opened) -> None:
    texts = {
        "tags": "<think>\nfirst\n</think>\n\nanswer",
        "unopened": "first\n</think>\n\nanswer",
        "unclosed": "<think>first",
        "plain": "Write `</think>` at the end",
    }
    message = (
        "INSERT INTO messages (id, conversation_id, role, content, state, created_at, dropped_turns, prompt_tokens, "
        f"completion_tokens, cached_tokens) VALUES ('{{}}', 'c1', 'assistant', '{{}}', 'complete', {_NOW}, 0, 0, 0, 0)"
    )
    document = "INSERT INTO search_documents (id, conversation_id, message_id, text) VALUES ({}, 'c1', '{}', ' first ')"
    replies = [message.format(name, text) for name, text in texts.items()]
    documents = [document.format(number, name) for number, name in enumerate(texts, 10)]
    store = at_first_revision(opened, (*SEARCH_ROWS, *replies, *documents))
    found = {m.id: (m.content, m.reasoning) for m in store.submit(lambda r: r.messages.all("c1")).result()}
    hits = store.submit(lambda r: r.conversations.search("local", "answer", 9)).result()
    store.close_now()
    assert found == {
        "m1": ("Café iPhone15", ""),
        "tags": ("answer", "first"),
        "unopened": ("answer", "first"),
        "unclosed": ("", "first"),
        "plain": (texts["plain"], ""),
    }
    assert len(hits) == 1


def test_numbers_of_the_log_are_not_given_again_after_the_migration(tmp_path: Path) -> None:
    """Neither the highest of the log nor those up to which a dataset has read; and all rows are as they were."""
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    highest = {"ratings": 5, "rankings": 9, "reviews": 6}
    engine = create_engine(parse_url(url))

    def rows() -> dict[str, list[tuple[object, ...]]]:
        tables = (*highest, "ranking_items")
        return {t: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {t}")] for t in tables}

    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        for version, statements in (("0001", ORIGIN_ROWS), ("0005", JUDGED_ROWS)):
            command.upgrade(alembic_config(connection), version)
            for statement in statements:
                connection.exec_driver_sql(statement)
        before = rows()
        command.upgrade(alembic_config(connection), "0009")
        connection.exec_driver_sql(
            "INSERT INTO datasets VALUES ('d', 'local', 'tea', '2026-01-01 00:00:00', '{}', '{}', 'tea', 2, 9, 0)"
        )
    Store.open(url, tmp_path).close_now()
    assert check(url).problems == ["verdict of row r2 of ratings is damaged: 'damaged' is unknown"]
    with engine.begin() as connection:
        assert rows() == before
        connection.exec_driver_sql("DELETE FROM reviews")
        connection.exec_driver_sql("DELETE FROM ratings WHERE sequence = 5")
        for (table, number), insert in zip(highest.items(), _JUDGED, strict=True):
            connection.exec_driver_sql(insert.format("NULL", "new", "up"))
            assert connection.exec_driver_sql(f"SELECT max(sequence) FROM {table}").scalar() == number + 1
    engine.dispose()


def test_what_was_there_belongs_to_the_first_administrator(opened: Opened) -> None:
    """A database from before there were accounts, with another rater's judgements in it."""
    rater = f"INSERT INTO users (id, name, created_at) VALUES ('rater', 'Li', {_NOW})"
    store = at_first_revision(opened, (*SEARCH_ROWS, rater))
    try:
        assert store.submit(lambda r: r.users.has_administrator()).result() is False
        account = store.submit(lambda r: r.users.add("Ann", "", AccountRole.ADMIN, "checksum")).result()
        assert (account.id, account.username, account.role) == ("local", "ann", AccountRole.ADMIN)
        found = store.submit(lambda r: r.conversations.list(account.id, limit=9)).result()
        assert [c.id for c in found] == ["c1"]
        second = store.submit(lambda r: r.users.add("bob", "", AccountRole.MEMBER, None)).result()
        assert second.id not in ("local", "rater")
        assert [a.username for a in store.submit(lambda r: r.users.all()).result()] == ["ann", "bob"]
    finally:
        store.close_now()


def test_no_table_is_read_as_a_whole_when_messages_or_judgements_are_deleted() -> None:
    """Every reference to them that is followed then has an index."""
    without = []
    for table in Base.metadata.tables.values():
        unique = [c for c in table.constraints if isinstance(c, PrimaryKeyConstraint | UniqueConstraint)]
        indexed = [[column.name for column in each.columns] for each in (*table.indexes, *unique)]
        for key in table.foreign_key_constraints:
            columns = list(key.column_keys)
            followed = key.referred_table.name in ("conversations", "messages", "ratings", "rankings")
            if followed and not any(each[: len(columns)] == columns for each in indexed):
                without.append(f"{table.name}.{columns}")
    assert without == []


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the migrations to which a test adds the next ones."""
    folder = tmp_path / "migrations"
    original = Path(migrate.__file__).parent / "migrations"
    (folder / "versions").mkdir(parents=True)
    for file in ("env.py", *(f"versions/{p.name}" for p in (original / "versions").glob("0*.py"))):
        (folder / file).write_bytes((original / file).read_bytes())
    monkeypatch.setattr(migrate, "_MIGRATIONS", folder)
    return folder / "versions"


def test_a_migration_comes_after_a_backup(on_sqlite: Opened, newer: Path) -> None:
    made = on_sqlite.conversation(title="kept")
    on_sqlite.store.close_now()
    old = head_revision()
    (newer / "next.py").write_text(NEXT.format(revision="next", before=old, column="nick", then=""))
    with pytest.raises(Exception, match="older version"), reading(on_sqlite.url):
        pass
    store = Store.open(on_sqlite.url, on_sqlite.data_dir)
    try:
        backup = store.opening.backup
        assert store.submit(lambda r: r.conversations.get("local", made.id)).result() == made
    finally:
        store.close_now()
    assert backup is not None
    assert backup.parent == on_sqlite.data_dir / "backups"
    assert backup.name.startswith(f"parley-{old}-")
    assert columns(on_sqlite.data_dir / "parley.db") - columns(backup) == {"nick"}
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT title FROM conversations").fetchall() == [("kept",)]
    again = Store.open(on_sqlite.url, on_sqlite.data_dir)
    again.close_now()
    assert again.opening.backup is None


def test_a_migration_that_fails_leaves_everything_as_it_was(on_sqlite: Opened, newer: Path) -> None:
    on_sqlite.conversation(title="kept")
    on_sqlite.store.close_now()
    path = on_sqlite.data_dir / "parley.db"
    before = columns(path)
    failing = NEXT.format(revision="next", before=head_revision(), column="nick", then="raise RuntimeError('no')")
    (newer / "next.py").write_text(failing)
    with pytest.raises(RuntimeError):
        Store.open(on_sqlite.url, on_sqlite.data_dir)
    assert columns(path) == before
    (newer / "next.py").unlink()
    Store.open(on_sqlite.url, on_sqlite.data_dir).close_now()


def test_the_newest_backups_are_kept(on_sqlite: Opened, newer: Path) -> None:
    on_sqlite.store.close_now()
    before = head_revision()
    for i in range(KEPT_BACKUPS + 2):
        revision = f"next{i:02}"
        (newer / f"{revision}.py").write_text(NEXT.format(revision=revision, before=before, column=revision, then=""))
        Store.open(on_sqlite.url, on_sqlite.data_dir).close_now()
        before = revision
    names = sorted(p.name.split("-")[1] for p in (on_sqlite.data_dir / "backups").iterdir())
    assert names == [f"next{i:02}" for i in range(1, KEPT_BACKUPS + 1)]


def test_the_migrations_are_part_of_the_package() -> None:
    assert importlib.util.find_spec("app.store.migrations") is not None
    assert Path(alembic_config().get_main_option("script_location") or "").joinpath("env.py").is_file()


def columns(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[1] for row in connection.execute("PRAGMA table_info(users)")}
