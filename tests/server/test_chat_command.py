"""`parley chat`, as a person types."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from functools import partial
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from tests.support import fake_api
from tests.support.processes import serving
from tests.support.servers import scripted_settings

COMMAND = [sys.executable, "-m", "app.cli.main", "chat"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    own = {
        "PARLEY_DATA_DIR": str(folder / "data"),
        "PARLEY_MODEL_STORE": str(folder / "store"),
        "PARLEY_PORT": "9",  # nobody listens there: the command brings its own server
    }
    return os.environ | own | more


def typed(folder: Path, text: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = environment(folder, **more)
    return subprocess.run([*COMMAND, *arguments], env=env, input=text, text=True, capture_output=True, timeout=60)


def test_it_answers_clears_changes_the_model_and_stops(tmp_path: Path) -> None:
    scripted_settings(tmp_path, models=("one", "two"))
    done = typed(tmp_path, "Hello\nclear\n/model two\n/model\nAgain\n/help\nstop\nnever read\n", PARLEY_MODEL="one")
    assert done.returncode == 0, done.stderr
    assert "Scripted one" in done.stdout
    assert "You said: Hello" in done.stdout
    assert "You said: Again" in done.stdout
    assert "Now chatting with two." in done.stdout
    assert "/clear" in done.stdout
    assert "never read" not in done.stdout


def test_what_the_model_thinks_is_not_printed(tmp_path: Path) -> None:
    scripted_settings(tmp_path)
    done = typed(tmp_path, "<think>first a thought</think>then the answer\n", PARLEY_MODEL="test")
    assert "then the answer" in done.stdout
    assert "thought" not in done.stdout


def test_its_conversations_are_there_in_the_server_afterwards(tmp_path: Path) -> None:
    scripted_settings(tmp_path)
    assert typed(tmp_path, "你好\n再见\n", PARLEY_MODEL="test").returncode == 0
    with serving(tmp_path, PARLEY_MODEL="test") as running:
        (listed,) = running.http.get("/api/conversations").json()["items"]
        found = running.http.get(f"/api/conversations/{listed['id']}").json()["messages"]
        assert [m["content"] for m in found] == ["你好", "You said: 你好", "再见", "You said: 再见"]


def test_a_running_server_is_used(tmp_path: Path) -> None:
    scripted_settings(tmp_path)
    with serving(tmp_path, PARLEY_MODEL="test") as running:
        assert "You said: Hello" in typed(tmp_path, "Hello\n", "--url", running.url).stdout
        assert len(running.http.get("/api/conversations").json()["items"]) == 1


def test_what_is_wrong_is_said_without_a_traceback(tmp_path: Path) -> None:
    scripted_settings(tmp_path)
    for arguments in (["--url", "http://127.0.0.1:9"], ["--model", "nobody"]):
        done = typed(tmp_path, "Hello\n", *arguments, PARLEY_MODEL="test")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("Error: ")


def _at_a_terminal(child_end: int) -> None:
    """In the child: as a shell in the foreground starts it. A background job's children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    fcntl.ioctl(child_end, termios.TIOCSCTTY, 0)


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
def test_ctrl_c_at_the_prompt_leaves(tmp_path: Path) -> None:
    scripted_settings(tmp_path)
    terminal, child_end = pty.openpty()
    process = subprocess.Popen(
        COMMAND,
        env=environment(tmp_path, PARLEY_MODEL="test"),
        stdin=child_end,
        stdout=child_end,
        stderr=child_end,
        start_new_session=True,
        preexec_fn=partial(_at_a_terminal, child_end),
    )
    os.close(child_end)
    said = b""
    while b"> " not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    assert process.wait(10) == 130
    os.close(terminal)


@pytest.mark.parametrize("answer", ["<!doctype html>", "[]", "{}", '{"version": "1"}', "", None])
def test_another_program_is_told_and_left_alone(tmp_path: Path, answer: str | None) -> None:
    """With its address given; without, a server of our own is started beside it."""
    scripted_settings(tmp_path)
    app = Starlette(
        routes=[
            Route("/{path:path}", lambda _: Response(answer or "oops", status_code=200 if answer is not None else 500))
        ]
    )
    with fake_api.serving(app) as url:
        told = typed(tmp_path, "Hello\n", "--url", url)
        assert told.returncode == 2
        assert told.stderr == f"Error: At {url} is another program, not Parley. Name Parley's own address with --url.\n"
        beside = typed(tmp_path, "Hello\n/stop\n", PARLEY_PORT=url.rpartition(":")[2], PARLEY_MODEL="test")
        assert "You said: Hello" in beside.stdout


def test_where_there_are_accounts_the_owner_of_the_machine_chats_and_others_need_a_key(tmp_path: Path) -> None:
    scripted_settings(tmp_path, models=("one",))
    env = environment(tmp_path)
    add = [sys.executable, "-m", "app.cli.main", "users", "add", "ann", "--password-stdin"]
    subprocess.run(add, env=env, input="kettle-boat-9\n", text=True, check=True, capture_output=True)
    done = typed(tmp_path, "Hello\nstop\n", PARLEY_MODEL="one")
    assert "You said: Hello" in done.stdout, done.stderr
    with serving(tmp_path, PARLEY_MODEL="one") as server:
        refused = typed(tmp_path, "Hello\nstop\n", "--url", server.url)
        assert refused.returncode == 2
        assert "PARLEY_API_KEY" in refused.stderr
        body = {"username": "ann", "password": "kettle-boat-9"}
        assert server.http.post("/api/session", json=body).status_code == 200
        key = server.http.post("/api/account/keys", json={"name": "terminal", "scopes": ["api"]}).json()["key"]
        done = typed(tmp_path, "Hello\nstop\n", "--url", server.url, PARLEY_API_KEY=key)
        assert "You said: Hello" in done.stdout, done.stderr
