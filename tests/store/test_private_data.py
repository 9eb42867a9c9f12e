"""Other accounts of the machine can't read a chat, whatever the umask and whichever folder holds the data."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.store import Store
from app.store.backup import backup, restore
from app.store.private_data import page_folder, require_own

from .opened import Opened


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {p.name: f"{stat.S_IMODE(p.stat().st_mode):o}" for p in (folder, *folder.rglob("*"))}


def test_a_new_data_folder_and_all_in_it_are_private(on_sqlite: Opened) -> None:
    on_sqlite.conversation(title="secret")
    backup(on_sqlite.url, on_sqlite.data_dir / "backups" / "parley-now.db")
    assert modes(on_sqlite.data_dir) == {
        "data": "700",
        "backups": "700",
        "parley-now.db": "600",
        "parley.db": "600",
        "parley.db-wal": "600",
        "parley.db-shm": "600",
        "parley.db.lock": "600",
    }


def test_logs_of_jobs_that_others_could_read_become_private(tmp_path: Path) -> None:
    log = tmp_path / "data" / "jobs" / "1.log"
    log.parent.mkdir(parents=True)
    log.write_text("secret")
    Store.open(f"sqlite:///{tmp_path / 'data' / 'parley.db'}", tmp_path / "data").close_now()
    found = modes(tmp_path / "data")
    assert (found["data"], found["jobs"], found["1.log"]) == ("700", "700", "600")


def test_so_is_what_the_page_keeps_there(tmp_path: Path) -> None:
    folder = page_folder(tmp_path / "data")  # made before the store is opened
    Store.open(f"sqlite:///{tmp_path / 'data' / 'parley.db'}", tmp_path / "data").close_now()
    assert folder.parent == tmp_path / "data"
    assert {modes(folder)["page"], modes(folder.parent)["data"]} == {"700"}


def test_a_page_on_a_data_folder_that_cannot_be_written_has_a_private_folder_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    folder = page_folder(tmp_path / "data")
    assert list(modes(folder).values()) == ["700"]
    folder.rmdir()


def test_a_restored_database_and_the_replaced_one_are_private(on_sqlite: Opened, tmp_path: Path) -> None:
    backup(on_sqlite.url, tmp_path / "copy.db")
    on_sqlite.store.close_now()
    (tmp_path / "copy.db").chmod(0o644)
    restore(tmp_path / "copy.db", on_sqlite.url)
    assert {mode for name, mode in modes(on_sqlite.data_dir).items() if name != "data"} == {"600"}


def _readable_installation(folder: Path) -> None:
    """As earlier versions left it."""
    Store.open(f"sqlite:///{folder / 'parley.db'}", folder).close_now()
    backup(f"sqlite:///{folder / 'parley.db'}", folder / "backups" / "parley-old.db")
    for name in ("thumbs.jsonl", "thumbs.jsonl.manifest.json"):
        (folder / name).write_text("{}")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    page_folder(folder)  # the server makes this one before it opens the store


def test_an_existing_installation_is_made_private_once(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    _readable_installation(folder)
    for expected in (set(modes(folder)) - {"page"}, set()):
        store = Store.open(f"sqlite:///{folder / 'parley.db'}", folder)
        store.close_now()
        assert {path.name for path in store.opening.made_private} == expected
    assert set(modes(folder).values()) == {"700", "600"}


def test_in_a_folder_with_other_things_only_parleys_files_are_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    _readable_installation(folder)
    (folder / "letter.txt").write_text("for all")
    (folder / "notes.jsonl").write_text("for all")
    (folder / "backups" / "photos.tar").write_text("for all")
    (folder / "parley.db.link").symlink_to(folder / "letter.txt")
    Store.open(f"sqlite:///{folder / 'parley.db'}", folder).close_now()
    found = modes(folder)
    shared = {"home": "755", "backups": "755", "letter.txt": "644", "notes.jsonl": "644", "photos.tar": "644"}
    assert {name: found.pop(name) for name in shared} == shared
    assert found.pop("parley.db.link") == "644"  # of the letter
    assert found.pop("page") == "700"
    assert set(found.values()) == {"600"}


def test_a_folder_open_to_everyone_is_never_closed(tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    Store.open(f"sqlite:///{folder / 'parley.db'}", folder).close_now()
    assert modes(folder) == {"tmp": "1777", "parley.db": "600", "parley.db.lock": "600"}


def test_the_home_folder_is_never_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    tmp_path.chmod(0o755)
    Store.open(f"sqlite:///{tmp_path / 'parley.db'}", tmp_path).close_now()
    assert modes(tmp_path)[tmp_path.name] == "755"


def test_a_database_that_another_account_laid_into_an_open_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o1777)
    (tmp_path / "parley.db").touch()
    require_own(tmp_path / "parley.db")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigurationError, match="another account"):
        require_own(tmp_path / "parley.db")
    tmp_path.chmod(0o755)
    require_own(tmp_path / "parley.db")
