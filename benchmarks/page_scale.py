"""Cost of open pages: latency with 50 rendered event streams, 16 of them with a running reply.

It is measured in the client, so it includes Markdown rendering and both hops (API, /ui). A page gets new text at most
ten times a second, so half of that interval is in every number. The clients run in a separate process on the same
cores.
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
LOADS = ((1, 1), (50, 1), (50, 16))  # (pages, streaming ones)


def measure(n_pages: int, n_streaming: int, seconds: int) -> dict[str, Any]:
    """Measure a new server with the page mounted."""
    n_words = seconds * WORDS_PER_S
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        home, port = Path(name), free_port()
        arguments = [str(home), str(port), str(n_words), str(1000 / WORDS_PER_S), "gradio"]
        command = [sys.executable, "-m", "benchmarks.scripted_server", *arguments]
        with running(command, port, ready="/readyz", log=home / "server.log") as server:
            cpu_before = server.cpu_s()
            clients = [sys.executable, "-m", "benchmarks.page_clients", server.url]
            clients += [str(n_pages), str(n_streaming), str(n_words)]
            output = subprocess.run(clients, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
            found: dict[str, Any] = json.loads(output)
            return found | {"cpu_s": server.cpu_s() - cpu_before, "rss_mib": memory(server.process).rss_mib}


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    rows, runs = [], {}
    for n_pages, n_streaming in LOADS:
        measured = [measure(n_pages, n_streaming, given.seconds) for _ in range(given.repeats)]
        runs[f"{n_pages}/{n_streaming}"] = measured
        rows.append(
            {
                "pages": n_pages,
                "streaming": n_streaming,
                "p50 late ms": round(median(m["p50_ms"] for m in measured)),
                "p99 late ms": round(median(m["p99_ms"] for m in measured)),
                "words missing": sum(m["missing"] for m in measured),
                "server CPU s": round(median(m["cpu_s"] for m in measured), 1),
                "RSS MiB": round(median(m["rss_mib"] for m in measured)),
            }
        )
    publish("page_scale", rows, words_per_s=WORDS_PER_S, seconds=given.seconds, runs=runs)


if __name__ == "__main__":
    main()
