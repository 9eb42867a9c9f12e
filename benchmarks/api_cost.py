"""Cost of the API: latency of many concurrent event streams from the scripted engine, which computes nothing.

Each stream gets 20 words a second; each word is the time at which it was due. The clients run in a separate process on
the same cores, and another one requests the list of models once a second. Aim: with 200 streams, 99 % of the words are
less than 100 ms late.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.processes import ROOT, free_port, memory, running
from benchmarks.report import median, publish
from benchmarks.scripted_server import LOOP_BLOCK

WORDS_PER_S = 20


def measure(n_streams: int, seconds: int) -> dict[str, Any]:
    """Measure a new server with `n_streams` replies of `seconds` each."""
    n_words = seconds * WORDS_PER_S
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        home, port = Path(name), free_port()
        arguments = [str(home), str(port), str(n_words), str(1000 / WORDS_PER_S)]
        command = [sys.executable, "-m", "benchmarks.scripted_server", *arguments]
        with running(command, port, ready="/readyz", log=home / "server.log") as server:
            before, cpu_before = memory(server.process), server.cpu_s()
            clients = [sys.executable, "-m", "benchmarks.stream_clients", server.url, str(n_streams), str(n_words)]
            with _other_requests(server.url):
                output = subprocess.run(clients, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
            after, cpu_s = memory(server.process), server.cpu_s() - cpu_before
            block = json.loads((home / LOOP_BLOCK).read_text(encoding="utf-8"))
    found: dict[str, Any] = json.loads(output) | {"longest_block_ms": block["longest_ms"]}
    per_event_ms = 1000 * cpu_s * found["words_per_event"] / (n_streams * n_words)
    return found | {
        "cpu_s": cpu_s,
        "cpu_ms_per_event": per_event_ms,
        "rss_before_mib": before.rss_mib,
        "rss_after_mib": after.rss_mib,
    }


@contextmanager
def _other_requests(url: str) -> Iterator[None]:
    """Meanwhile send the requests of a page that is opened with the list of models, once a second."""
    stop = threading.Event()

    def send() -> None:
        with httpx.Client(base_url=url, timeout=30) as http:
            while not stop.wait(1):
                for path in ("/api/info", "/api/models", "/readyz"):
                    http.get(path).raise_for_status()

    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield
    finally:
        stop.set()
        sending.join()


def row(n_streams: int, runs: list[dict[str, Any]]) -> dict[str, object]:
    """Medians of the runs with `n_streams`, and the sum of their errors."""

    def typical(name: str, digits: int) -> float:
        return round(median(run[name] for run in runs), digits)

    return {
        "streams": n_streams,
        "p50 late ms": typical("p50_ms", 1),
        "p99 late ms": typical("p99_ms", 1),
        "max late ms": typical("max_ms", 1),
        "longest loop block ms": typical("longest_block_ms", 1),
        "errors": sum(run["errors"] for run in runs),
        "words per event": typical("words_per_event", 2),
        "server CPU s": typical("cpu_s", 1),
        "CPU ms per event": typical("cpu_ms_per_event", 3),
        "client CPU s": typical("client_cpu_s", 1),
        "RSS before MiB": typical("rss_before_mib", 0),
        "RSS after MiB": typical("rss_after_mib", 0),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    runs: dict[int, list[dict[str, Any]]] = {n: [] for n in given.streams}
    for repeat in range(given.repeats):
        for n_streams in given.streams:
            print(f"api_cost {repeat + 1}/{given.repeats}: {n_streams} streams", flush=True)
            found = measure(n_streams, given.seconds)
            runs[n_streams].append(found)
            if found["errors"]:
                print(f"{found['errors']} failed, the first with: {found['first_error']}", flush=True)
    rows = [row(n_streams, of_one) for n_streams, of_one in runs.items()]
    publish("api_cost", rows, words_per_s=WORDS_PER_S, seconds=given.seconds, runs=runs)


if __name__ == "__main__":
    main()
