"""ChatGLM-6B on this CPU: Parley's packed int4 model compared with chatglm.cpp and the limit of memory bandwidth.

    python -m benchmarks.chatglm_cpu --home /big/disk --tokenizer ice_text.model --peer-python /peer/bin/python

Weights are random and created by the first run (3.4 GB, 3.1 GB packed; 3.5 GB more for chatglm.cpp, if its Python is
given: see `benchmarks/chatglm_cpp_process.py`). Each measurement runs in a separate process, alternately.
Aims: 1.6 times chatglm.cpp's decoding speed, 3 times its prefill speed, memory within 10 % of weights and KV cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.report import Row, median, publish, table

Run = dict[str, Any]

GIB = 1 << 30
_BANDWIDTH_BYTES = 1 << 30  # far more than any cache


def bandwidth(threads: int, repeats: int) -> float:
    """Memory bandwidth in bytes/s when summing a large array; the best of `repeats`."""
    code = (
        "import sys, time, torch\n"
        "threads, size, repeats = map(int, sys.argv[1:])\n"
        "torch.set_num_threads(threads)\n"
        "array = torch.ones(size // 8, dtype=torch.int64)\n"
        "times = []\n"
        "for _ in range(repeats):\n"
        "    began = time.perf_counter(); array.sum(); times.append(time.perf_counter() - began)\n"
        "print(size / min(times))\n"
    )
    arguments = [str(threads), str(_BANDWIDTH_BYTES), str(repeats)]
    return float(_output([sys.executable, "-c", code, *arguments]))


def ours(given: argparse.Namespace) -> Run:
    """Measure one process with the packed model; the first start if nothing is packed yet."""
    request = {
        "folder": str(given.home / "checkpoint"),
        "packed": str(given.home / "packed"),
        "threads": given.threads,
        "chats": given.chats,
        "slot_tokens": max(given.context + given.steps, *given.prompts),
        **_sizes(given),
    }
    found: Run = json.loads(_output([sys.executable, "-m", "benchmarks.chatglm_process", json.dumps(request)]))
    return found


def theirs(given: argparse.Namespace) -> Run:
    """Measure one process with chatglm.cpp."""
    request = {"file": str(given.home / "peer.bin"), **_sizes(given)}
    command = [
        str(given.peer_python),
        str(ROOT / "benchmarks" / "chatglm_cpp_process.py"),
        "measure",
        json.dumps(request),
    ]
    found: Run = json.loads(_output(command))
    return found


def make_models(given: argparse.Namespace) -> None:
    """Create the missing models in `home`."""
    checkpoint, peer = given.home / "checkpoint", given.home / "peer.bin"
    if not (checkpoint / "config.json").is_file():  # written last
        _output([sys.executable, "-m", "benchmarks.random_chatglm", str(checkpoint)])
    if given.peer_python and not peer.is_file():
        if given.tokenizer is None:
            raise SystemExit("chatglm.cpp's file contains a tokenizer: name an ice_text.model with --tokenizer.")
        unfinished = peer.with_suffix(".part")
        _output(
            [sys.executable, "-m", "benchmarks.chatglm_cpp_process", "write", str(unfinished), str(given.tokenizer)]
        )
        unfinished.rename(peer)


def speeds(given: argparse.Namespace, bytes_per_s: float, first: Run, runs: list[Run], peers: list[Run]) -> list[Row]:
    """A row per quantity: ours, theirs, the ratio, and the limit of reading all weights in each step."""
    steps_per_s = bytes_per_s / first["weights_bytes"]
    lines: list[tuple[str, str, float | None]] = [("load s", "load_s", None), ("first token s", "first_token_s", None)]
    lines += [(f"prompt of {tokens}: tok/s", f"prompt_{tokens}", None) for tokens in given.prompts]
    lines += [(f"{chats} chats: tok/s", f"decode_{chats}", steps_per_s * chats) for chats in given.chats]
    found = []
    for title, key, bound in lines:
        mine, other = _typical(runs, key), _typical(peers, key)
        found.append(
            {
                "": title,
                "parley": mine,
                "chatglm.cpp": other,
                "ratio": None if mine is None or other is None else mine / other,
                "memory allows": bound,
            }
        )
    return [{name: "" if value is None else value for name, value in row.items()} for row in found]


def memory(first: Run, later: Run) -> list[Row]:
    """Peak resident memory compared with weights and filled KV cache, in GiB."""
    found: list[Row] = []
    for title, run in (("first start", first), ("later start", later)):
        needed = first["weights_bytes"] + run["cache_bytes"]
        found.append(
            {
                "": title,
                "weights": first["weights_bytes"] / GIB,
                "KV": run["cache_bytes"] / GIB,
                "Python and PyTorch": run["base_bytes"] / GIB,
                "peak": run["peak_bytes"] / GIB,
                "peak / needed": run["peak_bytes"] / needed,
                "without Python and PyTorch": (run["peak_bytes"] - run["base_bytes"]) / needed,
            }
        )
    return found


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "chatglm", help="folder for the models; 10 GB")
    parser.add_argument("--tokenizer", type=Path, help="an ice_text.model, for chatglm.cpp's file")
    parser.add_argument("--peer-python", type=Path, help="a Python with chatglm-cpp installed")
    parser.add_argument("--chats", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--prompts", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--context", type=int, default=64, help="tokens before the decoded ones")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3, help="number of processes, and of measurements in each")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args(arguments)
    given.home.mkdir(parents=True, exist_ok=True)
    make_models(given)
    shutil.rmtree(given.home / "packed", ignore_errors=True)
    bytes_per_s = [bandwidth(given.threads, 5)]
    print("chatglm_cpu: first start", flush=True)
    first = ours(given)
    runs: list[Run] = []
    peers: list[Run] = []
    for repeat in range(given.repeats):
        print(f"chatglm_cpu {repeat + 1}/{given.repeats}", flush=True)
        runs.append(ours(given))
        if given.peer_python:
            peers.append(theirs(given))
        bytes_per_s.append(bandwidth(given.threads, 5))
    best = max(bytes_per_s)
    memory_rows = memory(first, max(runs, key=lambda run: float(run["peak_bytes"])))
    starts = {"packing s": first["load_s"], "saving s": first["save_s"], "memory GB/s": best / 1e9}
    print(f"\n{table([starts])}\n\n{table(memory_rows)}")
    publish(
        "chatglm_cpu",
        speeds(given, best, first, runs, peers),
        memory=memory_rows,
        starts=starts,
        settings={name: value for name, value in vars(given).items() if not isinstance(value, Path)},
        first=first,
        runs=runs,
        peers=peers,
    )


def _sizes(given: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(given, name) for name in ("prompts", "context", "steps", "repeats")}


def _typical(runs: list[Run], key: str) -> float | None:
    """The median over all processes and repeats; None where it was not measured."""
    values: list[float] = []
    for run in runs:
        value = run.get(key, [])
        values += value if isinstance(value, list) else [value]
    return median(values) if values else None


def _output(command: list[str]) -> str:
    """The output of a process. OpenMP threads spin as in the engine (`app.engine.torch.engine`)."""
    environment = {**os.environ, "GOMP_SPINCOUNT": "3000"}
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


if __name__ == "__main__":
    main()
