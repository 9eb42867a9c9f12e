from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.db import app
from app.store import Store


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("PARLEY_DATABASE_URL", raising=False)
    return tmp_path / "data"


@pytest.fixture
def store(data_dir: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{data_dir / 'parley.db'}", data_dir)
    opened.submit(lambda r: r.conversations.create("local", title="Tea")).result()
    yield opened
    opened.close_now()


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, args)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.usefixtures("store")
def test_check_counts_and_says_that_all_is_well() -> None:
    code, out, _ = run("check")
    assert code == 0
    assert "1 conversations" in out
    assert "No problems found." in out


def test_check_of_a_damaged_database_fails_with_the_way_out(store: Store, data_dir: Path) -> None:
    store.close_now()
    (data_dir / "parley.db").write_bytes(b"no database" * 1000)
    code, out, _ = run("check")
    assert code == 1
    assert "parley db restore FILE" in out


def test_check_names_a_damaged_row(store: Store, data_dir: Path) -> None:
    store.close_now()
    with closing(sqlite3.connect(data_dir / "parley.db")) as connection, connection:
        connection.execute("UPDATE conversations SET created_at = 'yesterday'")
    code, out, _ = run("check")
    assert code == 1
    assert "Problem: created_at of row" in out
    assert "1 conversations" in out


def test_backup_and_restore(store: Store, data_dir: Path) -> None:
    code, out, _ = run("backup")
    (copy,) = (data_dir / "backups").iterdir()
    assert code == 0
    assert str(copy) in out
    code, _, err = run("restore", str(copy))
    assert code == 2
    assert "Another Parley is using this data folder" in err
    store.close_now()
    code, out, _ = run("restore", str(copy))
    assert code == 0
    assert "1 conversations" in out
    assert "parley.db.replaced-" in out


@pytest.mark.usefixtures("data_dir")
def test_without_a_database_the_exit_code_is_2() -> None:
    for args in (("check",), ("backup",), ("restore", "nowhere.db")):
        code, _, err = run(*args)
        assert code == 2
        assert err.startswith("Error: ")


def test_a_damaged_backup_is_refused_with_1(store: Store, data_dir: Path, tmp_path: Path) -> None:
    store.close_now()
    (tmp_path / "bad.db").write_text("no database")
    before = (data_dir / "parley.db").read_bytes()
    code, _, err = run("restore", str(tmp_path / "bad.db"))
    assert code == 1
    assert "was not changed" in err
    assert (data_dir / "parley.db").read_bytes() == before
