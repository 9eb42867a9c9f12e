"""What each number format of a copy costs and gives: size, time to write, perplexity on one text, tokens/s.

    python -m benchmarks.gguf_conversions [--types f16 q8_0 …] [--tokens 400]

The default model, whose published file is Q4_1, is spread out into a Hugging Face folder (what was lost in its 4 bits
stays lost) and rewritten by `parley models quantize` in each format. Perplexity: the exponential of the mean negative
log-probability that llama.cpp gives each next token of the text, read in windows of 256 tokens, the first 32 of which
only give context. The text is this project's own documentation.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app.weights.converting.convert import quantize
from benchmarks.processes import DEFAULT_WEIGHTS, ROOT, free_port, running
from benchmarks.report import Row, publish
from tests.support.dequantize import to_hugging_face

WINDOW_TOKENS = 256
CONTEXT_ONLY_TOKENS = 32
SPEED_TOKENS = 128
REPEATS = 3
KEY = "bench"


class LlamaCpp:
    """The bare server with one model."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=120)

    def tokenize(self, text: str) -> list[int]:
        """Ids without special tokens."""
        found: list[int] = self._post("/tokenize", {"content": text, "add_special": False})["tokens"]
        return found

    def logprob(self, prompt: Sequence[int], token: int) -> float:
        """The logarithm of the probability of `token` after `prompt`: a bias has it chosen, and so told."""
        body = {"prompt": list(prompt), "n_predict": 1, "n_probs": 1, "logit_bias": [[token, 1000]]}
        found: float = self._post("/completion", body)["completion_probabilities"][0]["logprob"]
        return found

    def tokens_per_s(self) -> float:
        """Of one reply, once its short prompt is read."""
        body = {"prompt": "Once upon a time", "n_predict": SPEED_TOKENS, "ignore_eos": True, "temperature": 0}
        return float(self._post("/completion", body)["timings"]["predicted_per_second"])

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        answer.raise_for_status()
        return dict(answer.json())


def perplexity(model: LlamaCpp, ids: Sequence[int]) -> float:
    """See the module's first lines."""
    windows = [ids[at : at + WINDOW_TOKENS] for at in range(0, len(ids) - CONTEXT_ONLY_TOKENS, WINDOW_TOKENS)]
    found = [
        model.logprob(window[:place], window[place])
        for window in windows
        for place in range(CONTEXT_ONLY_TOKENS, len(window))
    ]
    return math.exp(-statistics.fmean(found))


@contextmanager
def serving(weights: Path, home: Path) -> Iterator[LlamaCpp]:
    """`weights` in llama.cpp, alone on the machine."""
    port = free_port()
    config = {"port": port, "weights": str(weights), "key": KEY, "slots": 1, "context_tokens": 512, "cache_mib": 0}
    command = [sys.executable, "-m", "benchmarks.llama_cpp_server", json.dumps({**config, "threads": os.cpu_count()})]
    with running(command, port, ready="/health", settings={"GOMP_SPINCOUNT": 100}, log=home / "bare.log") as server:
        yield LlamaCpp(server.url)


def text() -> str:
    """What is read: long enough, and always there. ASCII, since llama.cpp tells no probability of half a character."""
    found = "\n\n".join((ROOT / "docs" / name).read_text("utf-8") for name in ("architecture.md", "models.md"))
    return found.encode("ascii", "ignore").decode()


def measured(name: str, weights: Path, home: Path, tokens: int, wrote_s: float) -> Row:
    """One line of the table."""
    with serving(weights, home) as model:
        ids = model.tokenize(text())[:tokens]
        speeds = [model.tokens_per_s() for _ in range(REPEATS)]
        return {
            "copy": name,
            "size_mb": weights.stat().st_size / 1e6,
            "written_in_s": wrote_s,
            "perplexity": perplexity(model, ids),
            "tokens_per_s": statistics.median(speeds),
        }


def main(arguments: list[str] | None = None) -> None:
    """A table of all formats, and of the file that they were made from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", nargs="+", default=["f32", "f16", "q8_0", "q5_1", "q4_0"])
    parser.add_argument("--tokens", type=int, default=1024, help="of the text that is read for the perplexity")
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        folder = to_hugging_face(DEFAULT_WEIGHTS, home / "smollm2")
        rows.append(measured("as published (Q4_1)", DEFAULT_WEIGHTS, home, given.tokens, 0.0))
        for kind in given.types:
            began = time.perf_counter()
            copy = quantize(folder, kind, lambda _progress: None, lambda: False)
            rows.append(measured(kind, copy, home, given.tokens, time.perf_counter() - began))
            copy.unlink()
        shutil.rmtree(folder)
    publish("gguf_conversions", rows)


if __name__ == "__main__":
    main()
