"""Starts the measured servers as child processes, waits until they are ready, reads their memory and CPU time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_MODEL = "smollm2-135m-instruct"
DEFAULT_WEIGHTS = ROOT / "model_store" / "weights" / DEFAULT_MODEL / "SmolLM2-135M-Instruct.Q4_1.gguf"
PARLEY = Path(sys.executable).with_name("parley")

_WITHIN_S = 60


@dataclass(frozen=True)
class Memory:
    """Memory of a process in MiB: resident (RSS) and proportional (PSS: shared pages are divided)."""

    rss_mib: int
    pss_mib: int


@dataclass(frozen=True)
class Server:
    """A measured server."""

    url: str
    process: psutil.Process
    ready_s: float  # seconds from the command to the first successful response

    def workers(self) -> list[psutil.Process]:
        """The server's child processes."""
        return self.process.children(recursive=True)

    def cpu_s(self) -> float:
        """CPU seconds used by the server without its workers."""
        times = self.process.cpu_times()
        return times.user + times.system


def memory(process: psutil.Process) -> Memory:
    """The current memory of `process`."""
    info = process.memory_full_info()
    return Memory(info.rss >> 20, info.pss >> 20)


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(
    command: Sequence[str], port: int, *, ready: str, settings: Mapping[str, object] | None = None, log: Path
) -> Iterator[Server]:
    """Run `command` as a server on `port`; enter the block once its path `ready` returns 200, and stop it afterwards.

    `settings` are environment variables. Its output goes to the file `log`.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    environment = {**kept, **{name: str(value) for name, value in (settings or {}).items()}}
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, f"{url}{ready}", log)
        yield Server(url, psutil.Process(process.pid), time.monotonic() - started)
    finally:
        _end(process)


@contextmanager
def parley(home: Path, **settings: object) -> Iterator[Server]:
    """`parley serve` as a user starts it, with its data in `home`; `settings` as in docs/settings.md, in lower case."""
    port = free_port()
    chosen = {"data_dir": home / "data", "model_store": ROOT / "model_store", **settings}
    variables = {f"PARLEY_{name.upper()}": value for name, value in chosen.items()}
    command = [str(PARLEY), "serve", "--port", str(port)]
    with running(command, port, ready="/readyz", settings=variables, log=home / "parley.log") as server:
        yield server


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _WITHIN_S
    with httpx.Client(timeout=5) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                if client.get(url).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
    raise SystemExit(f"{url} did not answer; exit code {process.poll()}\n{log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
