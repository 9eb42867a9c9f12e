"""Two models on the same cores: the speed of each while both stream.

Two manifests use the default weights, so that Parley runs two workers. Each model streams alone, then while the other
streams continuously, alternately. With fair sharing each keeps half of its speed; with llama.cpp's defaults, spinning
threads leave a hundredth. Aim: at least 0.45.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.processes import DEFAULT_WEIGHTS, ROOT, Server, parley
from benchmarks.report import median, publish

MODELS = ("left", "right")
WAIT_S = 30.0  # for a load generator to start, and for its last reply to be cancelled

MANIFEST = """\
id = "{id}"
title = "{id}"
family = "native"
engine = "llama_cpp"
languages = ["en"]

[source]
kind = "folder"
path = "{folder}"

[[files]]
path = "{file}"
"""


def make_store(store: Path) -> Path:
    """Create a model store with two models that have the same weights."""
    (store / "manifests").mkdir(parents=True)
    for model_id in MODELS:
        text = MANIFEST.format(id=model_id, folder=DEFAULT_WEIGHTS.parent, file=DEFAULT_WEIGHTS.name)
        (store / "manifests" / f"{model_id}.toml").write_text(text, encoding="utf-8")
    return store


def start_chats(server: Server, model_id: str, n_chats: int, new_tokens: int) -> subprocess.Popen[str]:
    """Start the load generator with consecutive chats of one turn."""
    command = [sys.executable, "-m", "benchmarks.loadgen", f"{server.url}/v1", "--model", model_id, "--turns", "1"]
    command += ["--new-tokens", str(new_tokens), "--chats", *["1"] * n_chats]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def tokens_per_s(server: Server, model_id: str, new_tokens: int) -> float:
    """The speed of one chat."""
    output, _ = start_chats(server, model_id, 1, new_tokens).communicate(timeout=600)
    row: dict[str, Any] = json.loads(output)
    if row["errors"]:
        raise SystemExit(f"the chat failed: {row['first_error']}")
    return float(row["tok_s"])


@contextmanager
def streaming(server: Server, model_id: str) -> Iterator[None]:
    """Keep `model_id` generating during the block."""
    chats = start_chats(server, model_id, 100, 1024)
    wait_for(server, model_id, running=1)
    try:
        yield
        if chats.poll() is not None:
            raise SystemExit(f"{model_id} stopped streaming too early")
    finally:
        chats.kill()
        chats.wait()
        wait_for(server, model_id, running=0)


def wait_for(server: Server, model_id: str, *, running: int) -> None:
    """Wait until `running` replies of `model_id` are being generated."""
    line = f'parley_model_running{{model="{model_id}"}} {running}'
    deadline = time.monotonic() + WAIT_S
    while line not in httpx.get(f"{server.url}/metrics").text.splitlines():
        if time.monotonic() > deadline:
            raise SystemExit(f"not after {WAIT_S:.0f} s: {line}")
        time.sleep(0.1)


def measure(repeats: int, new_tokens: int) -> list[dict[str, float]]:
    """Measure each model alone and beside the other, `repeats` times."""
    runs = []
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        home = Path(name)
        with parley(home, model_store=make_store(home / "store"), slots=4, context_tokens=2048) as server:
            for model_id in MODELS:
                tokens_per_s(server, model_id, 4)  # load and warm
            for repeat in range(repeats):
                print(f"two_models {repeat + 1}/{repeats}", flush=True)
                run = {}
                for model_id, other in (MODELS, MODELS[::-1]):
                    run[f"{model_id} alone"] = tokens_per_s(server, model_id, new_tokens)
                    with streaming(server, other):
                        run[f"{model_id} beside"] = tokens_per_s(server, model_id, new_tokens)
                runs.append(run)
    return runs


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--new-tokens", type=int, default=256)
    given = parser.parse_args(arguments)
    runs = measure(given.repeats, given.new_tokens)
    rows = [
        {
            "model": model_id,
            "alone tok/s": median(run[f"{model_id} alone"] for run in runs),
            "beside the other tok/s": median(run[f"{model_id} beside"] for run in runs),
            "ratio": round(median(run[f"{model_id} beside"] / run[f"{model_id} alone"] for run in runs), 3),
        }
        for model_id in MODELS
    ]
    publish("two_models", rows, runs=runs)


if __name__ == "__main__":
    main()
