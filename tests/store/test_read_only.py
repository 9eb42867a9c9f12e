"""A database that can't be written when it is opened can still be read."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import ConfigurationError, StoreError, StoreFull, StoreReadOnly
from app.store import Store
from tests.support.small_disk import fill, remount, small_disk

from .opened import Opened

CRASH = """
import os, signal, sys, pathlib
from app.store import Store
store = Store.open(sys.argv[1], pathlib.Path(sys.argv[2]))
store.submit(lambda r: r.conversations.create("local", title="before the crash")).result()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", megabytes=4) as folder:
        yield folder


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'parley.db'}"


def write_and_close(folder: Path, title: str) -> None:
    store = Store.open(url(folder), folder)
    Opened(store, url(folder), folder).conversation(title=title)
    store.close_now()


def require_readable(folder: Path, titles: list[str], refusal: type[StoreError]) -> None:
    """It opens, has conversations with these titles, and refuses a write with this error."""
    store = Store.open(url(folder), folder)
    try:
        found = asyncio.run(store.read(lambda r: r.conversations.list("local", limit=9)))
        assert [c.title for c in found] == titles
        with pytest.raises(refusal, match="nothing can be saved"):
            asyncio.run(store.write(lambda r: r.conversations.create("local")))
    finally:
        store.close_now()


def test_a_read_only_folder_is_read(disk: Path) -> None:
    write_and_close(disk, "Tea")
    remount(disk, "ro")
    require_readable(disk, ["Tea"], StoreReadOnly)
    remount(disk, "rw")
    write_and_close(disk, "Coffee")


def test_what_a_crash_left_in_the_log_is_read_too(disk: Path) -> None:
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", CRASH, url(disk), str(disk)], cwd=root, env=os.environ, check=False)
    assert run.returncode == -signal.SIGKILL
    remount(disk, "ro")
    require_readable(disk, ["before the crash"], StoreReadOnly)


def test_a_full_disk_is_read(disk: Path) -> None:
    write_and_close(disk, "Tea")
    filling = fill(disk)
    require_readable(disk, ["Tea"], StoreFull)
    filling.unlink()
    write_and_close(disk, "Coffee")


def test_a_read_only_folder_without_a_database_is_told(disk: Path) -> None:
    remount(disk, "ro")
    with pytest.raises(StoreReadOnly, match="permissions"):
        Store.open(url(disk), disk)


def test_a_read_only_database_of_another_version_is_told(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_and_close(disk, "Tea")
    remount(disk, "ro")
    monkeypatch.setattr("app.store.opening.head_revision", lambda: "9999")
    with pytest.raises(ConfigurationError, match="older version"):
        Store.open(url(disk), disk)
