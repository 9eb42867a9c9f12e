"""Cost of refusals: ten times and more requests than a server has places for, with the default model.

400 requests for 4 replies and 16 places in the queue, 100 a second, while the model computes; each is answered with its
reply's beginning, or with 503 and Retry-After. Once with short messages, once with messages of 20,000 characters, and
with both APIs. Beside them `/healthz` is requested 50 times a second. The clients are a separate process on the same
cores. Aim: 99 % of the refusals and of the health checks are answered within 50 ms.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from benchmarks.processes import DEFAULT_MODEL, ROOT, parley
from benchmarks.report import median, publish

SLOTS, MAX_WAITING = 4, 16
LENGTHS = (20, 20_000)  # characters of a message
ROUTES = ("messages", "completions")  # /api/conversations/{id}/messages, /v1/chat/completions


def measure(route: str, length: int, n_requests: int, per_s: int) -> dict[str, Any]:
    """Measure a new server whose model is loaded."""
    with (
        tempfile.TemporaryDirectory(prefix="parley-bench-") as name,
        parley(Path(name), slots=SLOTS, max_waiting=MAX_WAITING, context_tokens=8192) as server,
    ):
        httpx.post(f"{server.url}/api/models/{DEFAULT_MODEL}/load", timeout=120).raise_for_status()
        arguments = [server.url, route, str(length), str(n_requests), str(per_s)]
        clients = [sys.executable, "-m", "benchmarks.overload_clients", *arguments]
        output = subprocess.run(clients, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(output)
    return found


def row(route: str, length: int, runs: list[dict[str, Any]]) -> dict[str, object]:
    """Medians of the runs; counts of the first."""

    def typical(name: str) -> float:
        return round(median(run[name] for run in runs), 1)

    return {
        "API": route,
        "characters": length,
        "accepted": runs[0]["accepted"],
        "refused": runs[0]["refused"],
        "errors": sum(run["errors"] for run in runs),
        "refusal p50 ms": typical("refusal_p50_ms"),
        "refusal p99 ms": typical("refusal_p99_ms"),
        "health p50 ms": typical("health_p50_ms"),
        "health p99 ms": typical("health_p99_ms"),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--per-s", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args(arguments)
    cases = [(route, length) for route in ROUTES for length in LENGTHS]
    runs: dict[tuple[str, int], list[dict[str, Any]]] = {case: [] for case in cases}
    for repeat in range(given.repeats):
        for route, length in cases:
            print(f"overload {repeat + 1}/{given.repeats}: {route}, {length} characters", flush=True)
            runs[route, length].append(measure(route, length, given.requests, given.per_s))
    rows = [row(route, length, of_one) for (route, length), of_one in runs.items()]
    publish("overload", rows, slots=SLOTS, max_waiting=MAX_WAITING, per_s=given.per_s, runs=list(runs.values()))


if __name__ == "__main__":
    main()
