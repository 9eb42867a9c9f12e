"""The process that renders can be ended by any text, and nothing else suffers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from frontends.render import worker
from frontends.view.render_process import RenderFailed, RenderProcess, Restarted

ROOT = Path(__file__).parents[3]
ENDLESS = 'import re; re.match("(a*)*b", "a" * 64)'

pytestmark = pytest.mark.anyio


def whole(text: str, *, highlight: bool = True) -> dict[str, Any]:
    return {"text": text, "highlight": highlight}


async def test_it_renders_one_text_after_another(process: RenderProcess) -> None:
    answers = await asyncio.gather(*(process.ask(whole(f"**{n}**")) for n in range(20)))
    assert [answer["html"] for answer in answers] == [f'<p dir="auto"><strong>{n}</strong></p>\n' for n in range(20)]
    assert process.starts == 1


async def test_the_next_text_finds_a_new_process(process: RenderProcess) -> None:
    await process.ask(whole("x"))
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(RenderFailed):
        await process.ask(whole("y"))
    assert (await process.ask(whole("z")))["html"] == '<p dir="auto">z</p>\n'
    with pytest.raises(Restarted):
        await process.ask(whole("x"), starts=1)


async def test_who_leaves_takes_nobodys_answer(process: RenderProcess) -> None:
    await process.ask(whole("x"))
    leaving = asyncio.ensure_future(process.ask(whole("leaving " * 1000)))
    await asyncio.sleep(0.005)
    leaving.cancel()
    assert (await process.ask(whole("mine")))["html"] == '<p dir="auto">mine</p>\n'


async def test_it_is_gone_when_it_is_closed(process: RenderProcess) -> None:
    await process.start()
    pid = process.pid
    await process.close()
    assert pid is not None
    assert not psutil.pid_exists(pid)
    with pytest.raises(RenderFailed):
        await process.ask(whole("x"))


async def test_more_html_than_a_reader_can_want_is_refused(
    process: RenderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "HTML_AT_LEAST", 25)
    monkeypatch.setattr(worker, "HTML_PER_CHARACTER", 2)
    ours = worker.Worker()
    assert ours.answer(whole("x")) == {"html": '<p dir="auto">x</p>\n'}
    assert ours.answer(whole("# x\n\n- y")) == {"error": "ValueError"}
    assert ours.answer({"reply": "r", "text": "# x\n\n- y", "final": True, "highlight": True}) == {
        "error": "ValueError"
    }


def test_the_kernel_ends_what_python_cannot_interrupt() -> None:
    """A regular expression holds the interpreter's lock: no signal handler of Python's would run."""
    code = f"from frontends.render import worker; worker.LIMIT_S = 0.2\nwith worker._cpu_limit():\n    {ENDLESS}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60)
    assert done.returncode == -signal.SIGPROF


def test_its_memory_is_limited() -> None:
    code = "from frontends.render import worker; worker._limit_resources(); bytearray(worker.MEMORY_BYTES)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, capture_output=True, text=True)
    assert "MemoryError" in done.stderr


def test_it_ends_with_its_parent() -> None:
    code = (
        "import asyncio, sys\nfrom frontends.view.render_process import RenderProcess\n"
        "async def main():\n    process = RenderProcess()\n    await process.start()\n"
        "    print(process.pid, flush=True)\n    await asyncio.sleep(60)\nasyncio.run(main())"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = time.monotonic() + 20
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
