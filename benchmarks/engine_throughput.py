"""Overhead of Parley: the same chats with Parley's `/v1` and with llama.cpp's server alone.

Both run the default model with the same settings (slots, context, threads, caches), alternately. The load generator is
a separate process. Aim: at least 0.95 of the server's tokens/s, and the first token at most 30 ms later.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.processes import DEFAULT_MODEL, DEFAULT_WEIGHTS, ROOT, Server, free_port, parley, running
from benchmarks.report import median, publish

Start = Callable[[Path], AbstractContextManager[Server]]
Level = dict[str, Any]  # an output line of the load generator

SLOTS = 16
CONTEXT_TOKENS = 2048
CACHE_MIB = 64  # as Parley sets it for this model and context
KEY = "bench"


@contextmanager
def bare(home: Path) -> Iterator[Server]:
    """llama.cpp's server without Parley."""
    port = free_port()
    config = {
        "port": port,
        "weights": str(DEFAULT_WEIGHTS),
        "key": KEY,
        "slots": SLOTS,
        "context_tokens": CONTEXT_TOKENS,
        "threads": os.cpu_count(),
        "cache_mib": CACHE_MIB,
    }
    command = [sys.executable, "-m", "benchmarks.llama_cpp_server", json.dumps(config)]
    log = home / "bare.log"
    with running(command, port, ready="/health", settings={"GOMP_SPINCOUNT": 100}, log=log) as server:
        yield server


def parley_alone(home: Path) -> AbstractContextManager[Server]:
    """Parley as a user starts it, with as many slots as llama.cpp's server."""
    return parley(home, slots=SLOTS, context_tokens=CONTEXT_TOKENS, threads=os.cpu_count())


def load(loadgen: list[str], url: str, *arguments: object, model: str = DEFAULT_MODEL) -> list[Level]:
    """Run the load generator in a separate process; returns its output lines."""
    command = [*loadgen, f"{url}/v1", "--model", model, "--key", KEY, *map(str, arguments)]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def measure(start: Start, loadgen: list[str], chats: list[int], new_tokens: int) -> list[Level]:
    """Measure every level with a new server, on which the model is loaded and warmed up first."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as home, start(Path(home)) as server:
        load(loadgen, server.url, "--chats", 1, "--turns", 1, "--new-tokens", 4, "--seed", 99)
        return load(loadgen, server.url, "--chats", *chats, "--new-tokens", new_tokens)


def compare(chats: list[int], runs: dict[str, list[list[Level]]]) -> list[dict[str, object]]:
    """A row per number of chats: the medians of both, and the median of the ratios of paired runs."""
    rows = []
    for index, n_chats in enumerate(chats):
        bare_runs = [run[index] for run in runs["bare"]]
        parley_runs = [run[index] for run in runs["parley"]]
        pairs = list(zip(bare_runs, parley_runs, strict=True))
        row: dict[str, object] = {
            "chats": n_chats,
            "bare tok/s": median(run["tok_s"] for run in bare_runs),
            "parley tok/s": median(run["tok_s"] for run in parley_runs),
            "ratio": round(median(ours["tok_s"] / theirs["tok_s"] for theirs, ours in pairs), 3),
        }
        for field, title in (("ttft1_s", "first"), ("ttftN_s", "last")):
            row[f"bare {title} ms"] = round(1000 * median(run[field] for run in bare_runs))
            row[f"parley {title} ms"] = round(1000 * median(run[field] for run in parley_runs))
            row[f"later by {title} ms"] = round(1000 * median(ours[field] - theirs[field] for theirs, ours in pairs))
        row["errors"] = sum(run["errors"] for run in (*bare_runs, *parley_runs))
        rows.append(row)
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--loadgen", type=Path, help="another load generator with the same command line")
    given = parser.parse_args(arguments)
    loadgen = [sys.executable, *([str(given.loadgen.resolve())] if given.loadgen else ["-m", "benchmarks.loadgen"])]
    starts: dict[str, Start] = {"bare": bare, "parley": parley_alone}
    runs: dict[str, list[list[Level]]] = {name: [] for name in starts}
    for repeat in range(given.repeats):
        for name in list(starts) if repeat % 2 == 0 else list(reversed(starts)):
            print(f"engine_throughput {repeat + 1}/{given.repeats}: {name}", flush=True)
            runs[name].append(measure(starts[name], loadgen, given.chats, given.new_tokens))
    settings = {
        "slots": SLOTS,
        "context_tokens": CONTEXT_TOKENS,
        "model": DEFAULT_MODEL,
        "new_tokens": given.new_tokens,
    }
    publish("engine_throughput", compare(given.chats, runs), settings=settings, runs=runs)


if __name__ == "__main__":
    main()
