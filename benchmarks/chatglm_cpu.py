"""A full-size ChatGLM-6B on this CPU: Parley's packed int4 model against chatglm.cpp and against what memory allows.

    python -m benchmarks.chatglm_cpu --home /big/disk --tokenizer ice_text.model --peer-python /peer/bin/python

Weights are random and made at the first run (3.3 GB, 3.1 GB packed; 3.5 GB more for chatglm.cpp, if its Python is
given: see `benchmarks/chatglm_peer.py`). Everything runs in a process of its own, one after the other, in turns. Aims: 1.6 times
chatglm.cpp's decoding, 3 times its prompt reading, memory within a tenth of weights and KV cache.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from benchmarks.report import median, publish

Run = dict[str, Any]

GIB = 1 << 30
_BANDWIDTH_BYTES = 1 << 30  # far more than any cache


def bandwidth(threads: int, repeats: int) -> float:
    """Bytes/s that summing up a large array reads; the best of `repeats`."""
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
    """One process with the packed model; the first start if nothing is packed yet."""
    request = {
        "folder": str(given.home / "checkpoint"),
        "packed": str(given.home / "packed"),
        "threads": given.threads,
        "chats": given.chats,
        "slot_tokens": max(given.context + given.steps, *given.prompts),
        **_sizes(given),
    }
    found: Run = json.loads(_output([sys.executable, "-m", "benchmarks.chatglm_packed", json.dumps(request)]))
    return found


def theirs(given: argparse.Namespace) -> Run:
    """One process with chatglm.cpp."""
    request = {"file": str(given.home / "peer.bin"), **_sizes(given)}
    command = [str(given.peer_python), str(ROOT / "benchmarks" / "chatglm_peer.py"), "measure", json.dumps(request)]
    found: Run = json.loads(_output(command))
    return found


def make_models(given: argparse.Namespace) -> None:
    """What is not there yet, in `home`."""
    checkpoint, peer = given.home / "checkpoint", given.home / "peer.bin"
    if not (checkpoint / "config.json").is_file():  # written last
        _output([sys.executable, "-m", "benchmarks.random_chatglm", str(checkpoint)])
    if given.peer_python and not peer.is_file():
        if given.tokenizer is None:
            raise SystemExit("chatglm.cpp's file holds a tokenizer: name an ice_text.model with --tokenizer.")
        unfinished = peer.with_suffix(".part")
        _output([sys.executable, "-m", "benchmarks.chatglm_peer", "write", str(unfinished), str(given.tokenizer)])
        unfinished.rename(peer)


def rows(
    given: argparse.Namespace, bytes_per_s: float, first: Run, runs: list[Run], peers: list[Run]
) -> list[dict[str, object]]:
    """A line for each quantity: ours, theirs, the ratio, and the bound where there is one."""
    decode_bound = bytes_per_s / first["weights_bytes"]
    found = []
    for title, key, bound in (
        ("load s", "load_s", None),
        ("first token s", "first_token_s", None),
        *((f"prompt of {tokens}, tok/s", f"prompt_{tokens}", None) for tokens in given.prompts),
        *((f"decode, {chats} chats, tok/s", f"decode_{chats}", decode_bound * chats) for chats in given.chats),
    ):
        mine, other = _typical(runs, key), _typical(peers, key)
        found.append(
            {
                "": title,
                "parley": round(mine, 2),
                "chatglm.cpp": "" if other is None else round(other, 2),
                "ratio": "" if other is None else round(mine / other, 2),
                "memory bound": "" if bound is None else round(bound, 1),
            }
        )
    return found
