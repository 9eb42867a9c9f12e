"""`parley serve` as a process of its own, as a person starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

URL = re.compile(r"http://127\.0\.0\.1:\d+(?=/v1)")


class ServerProcess:
    """A running server. ``http`` speaks to it."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process, self.url = process, url
        self.http = httpx.Client(base_url=url, timeout=20, verify=False)  # reads no certificates

    @property
    def children(self) -> list[psutil.Process]:
        """All that it started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    @property
    def workers(self) -> list[psutil.Process]:
        """Those that hold weights."""
        return [child for child in self.children if child.cmdline()[-1].endswith(".worker")]

    def kill(self) -> None:
        """As the kernel's out-of-memory killer does."""
        self.process.kill()
        self.process.wait()


def parley(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start a command with everything below `folder`; its output goes to ``folder/output``."""
    env = os.environ | {
        "PARLEY_DATA_DIR": str(folder / "data"),
        "PARLEY_MODEL_STORE": str(folder / "store"),
        "PYTHONUNBUFFERED": "1",
    }
    with (folder / "output").open("ab") as out:
        command = [sys.executable, "-m", "app.cli.main", *arguments]
        return subprocess.Popen(command, env=env | environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)


@contextmanager
def serving(folder: Path, *arguments: str, **environment: str) -> Iterator[ServerProcess]:
    """`parley serve --ui none --no-fetch` on a free port, ended by SIGTERM at the latest."""
    output = folder / "output"
    before = output.stat().st_size if output.exists() else 0
    process = parley(folder, "serve", "--ui", "none", "--no-fetch", "--port", "0", *arguments, **environment)
    try:
        running = ServerProcess(process, _url(process, output, before))
        with running.http:
            yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=15)


def _url(process: subprocess.Popen[bytes], output: Path, before: int) -> str:
    deadline = time.monotonic() + 60  # beside other tests on two cores, the page alone may take many seconds
    while time.monotonic() < deadline and process.poll() is None:
        found = URL.search(output.read_bytes()[before:].decode())
        if found:
            return found.group()
        time.sleep(0.02)
    raise AssertionError(f"the server did not start:\n{output.read_text()}")
