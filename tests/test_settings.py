"""Settings from the environment as people write them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import Settings
from app.store import Store


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", ()),
        ("chat.lan", ("chat.lan",)),
        (" chat.lan , Other.LAN:8080,", ("chat.lan", "other.lan")),
        ("[chat.lan]", ("chat.lan",)),
        ('["chat.lan", "other.lan:80"]', ("chat.lan", "other.lan")),
        ("[2001:db8::1]:80,::1", ("2001:db8::1", "::1")),
    ],
)
def test_host_names(monkeypatch: pytest.MonkeyPatch, text: str, hosts: tuple[str, ...]) -> None:
    monkeypatch.setenv("PARLEY_ALLOWED_HOSTS", text)
    assert Settings().allowed_hosts == hosts


@pytest.mark.parametrize(("text", "path"), [("", ""), ("/", ""), ("chat", "/chat"), ("/a/b/", "/a/b")])
def test_the_root_path(monkeypatch: pytest.MonkeyPatch, text: str, path: str) -> None:
    monkeypatch.setenv("PARLEY_ROOT_PATH", text)
    assert Settings().root_path == path


@pytest.mark.parametrize("name", ["a?b=1", "a%3Fb", "a#b", "a b'c", "数据", "a&b;c"])
def test_the_data_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    settings = Settings(data_dir=tmp_path / name)
    Store.open(settings.resolved_database_url, settings.data_dir).close_now()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "parley.db").is_file()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("ALLOWED_HOSTS", text) for text in ("http://chat.lan", "a b", "*", "chat.lan;other.lan", '{"a": 1}')),
        *(("ROOT_PATH", text) for text in ("https://chat.lan/chat", "/a b", "/a?b")),
        *(("PORT", text) for text in ("http", "99999")),
        ("CHATGLM_API", "perhaps"),
    ],
)
def test_nonsense_is_a_sentence_with_the_variables_name(name: str, text: str) -> None:
    command = [sys.executable, "-m", "app.cli.main", "models", "list"]
    run = subprocess.run(
        command, env=os.environ | {f"PARLEY_{name}": text}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"Error: PARLEY_{name}: ")
