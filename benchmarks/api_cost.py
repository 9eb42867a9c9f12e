"""What the API itself costs: many event streams at once from an engine that costs nothing.

The scripted engine says 20 words a second to each stream, each word naming the moment at which it was due. The clients
run in a process of their own, on the same cores. Aim: with 200 streams, 99 of 100 words less than 100 ms late.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT, free_port, memory, running
from benchmarks.report import median, publish

WORDS_PER_S = 20


def measure(n_streams: int, seconds: int) -> dict[str, Any]:
    """A fresh server, `n_streams` replies of `seconds` each."""
    n_words = seconds * WORDS_PER_S
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        home, port = Path(name), free_port()
        arguments = [str(home), str(port), str(n_words), str(1000 / WORDS_PER_S)]
        command = [sys.executable, "-m", "benchmarks.scripted_server", *arguments]
        with running(command, port, ready="/readyz", log=home / "server.log") as server:
            before, cpu_before = memory(server.process), server.cpu_s()
            clients = [sys.executable, "-m", "benchmarks.stream_clients", server.url, str(n_streams), str(n_words)]
            output = subprocess.run(clients, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
            after, cpu_s = memory(server.process), server.cpu_s() - cpu_before
    found: dict[str, Any] = json.loads(output)
    per_event_ms = 1000 * cpu_s * found["words_per_event"] / (n_streams * n_words)
    return found | {
        "cpu_s": cpu_s,
        "cpu_ms_per_event": per_event_ms,
        "rss_before_mib": before.rss_mib,
        "rss_after_mib": after.rss_mib,
    }


def row(n_streams: int, runs: list[dict[str, Any]]) -> dict[str, object]:
    """Medians of the runs with `n_streams`; errors of all of them."""

    def typical(name: str, digits: int) -> float:
        return round(median(run[name] for run in runs), digits)

    return {
        "streams": n_streams,
        "p50 late ms": typical("p50_ms", 1),
        "p99 late ms": typical("p99_ms", 1),
        "max late ms": typical("max_ms", 1),
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
                print(f"{found['errors']} failed, the first so: {found['first_error']}", flush=True)
    rows = [row(n_streams, of_one) for n_streams, of_one in runs.items()]
    publish("api_cost", rows, words_per_s=WORDS_PER_S, seconds=given.seconds, runs=runs)


if __name__ == "__main__":
    main()
