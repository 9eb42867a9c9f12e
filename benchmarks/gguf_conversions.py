"""GGUF conversions by number format: size, time to write, perplexity on one text, tokens/s.

    python -m benchmarks.gguf_conversions [--types f16 q8_0 …] [--tokens 400]

The default model, whose published file is Q4_1, is dequantized into a Hugging Face folder (without restoring the lost
precision) and converted by `parley models quantize` in each format. Perplexity: the exponential of the mean negative
log-probability that llama.cpp assigns to each next token of the text, in windows of 256 tokens, of which the first 32
are context only. The text is this project's own documentation.
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
    """A client of llama.cpp's server."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=120)

    def tokenize(self, text: str) -> list[int]:
        """Token ids without special tokens."""
        found: list[int] = self._post("/tokenize", {"content": text, "add_special": False})["tokens"]
        return found

    def logprob(self, prompt: Sequence[int], token: int) -> float:
        """The log-probability of `token` after `prompt`; a bias makes the server choose and report it."""
        body = {"prompt": list(prompt), "n_predict": 1, "n_probs": 1, "logit_bias": [[token, 1000]]}
        found: float = self._post("/completion", body)["completion_probabilities"][0]["logprob"]
        return found

    def tokens_per_s(self) -> float:
        """Decoding speed of one reply."""
        body = {"prompt": "Once upon a time", "n_predict": SPEED_TOKENS, "ignore_eos": True, "temperature": 0}
        return float(self._post("/completion", body)["timings"]["predicted_per_second"])

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(path, json=body)
        answer.raise_for_status()
        return dict(answer.json())


def perplexity(model: LlamaCpp, ids: Sequence[int]) -> float:
    """The perplexity as described in the module's docstring."""
    windows = [ids[at : at + WINDOW_TOKENS] for at in range(0, len(ids) - CONTEXT_ONLY_TOKENS, WINDOW_TOKENS)]
    found = [
        model.logprob(window[:index], window[index])
        for window in windows
        for index in range(CONTEXT_ONLY_TOKENS, len(window))
    ]
    return math.exp(-statistics.fmean(found))


@contextmanager
def serving(weights: Path, home: Path) -> Iterator[LlamaCpp]:
    """llama.cpp's server with `weights`."""
    port = free_port()
    config = {"port": port, "weights": str(weights), "key": KEY, "slots": 1, "context_tokens": 512, "cache_mib": 0}
    command = [sys.executable, "-m", "benchmarks.llama_cpp_server", json.dumps({**config, "threads": os.cpu_count()})]
    with running(command, port, ready="/health", settings={"GOMP_SPINCOUNT": 100}, log=home / "bare.log") as server:
        yield LlamaCpp(server.url)


def text() -> str:
    """The text for the perplexity. ASCII, since llama.cpp reports no probability for incomplete characters."""
    found = "\n\n".join((ROOT / "docs" / name).read_text("utf-8") for name in ("architecture.md", "models.md"))
    return found.encode("ascii", "ignore").decode()


def measured(name: str, weights: Path, home: Path, tokens: int, wrote_s: float) -> Row:
    """Measure one file; a row of the table."""
    with serving(weights, home) as model:
        ids = model.tokenize(text())[:tokens]
        speeds = [model.tokens_per_s() for _ in range(REPEATS)]
        return {
            "conversion": name,
            "size_mb": weights.stat().st_size / 1e6,
            "written_in_s": wrote_s,
            "perplexity": perplexity(model, ids),
            "tokens_per_s": statistics.median(speeds),
        }


def main(arguments: list[str] | None = None) -> None:
    """Measure the published file and a conversion to each number format, and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", nargs="+", default=["f32", "f16", "q8_0", "q5_1", "q4_0"])
    parser.add_argument("--tokens", type=int, default=1024, help="of the text for the perplexity")
    given = parser.parse_args(arguments)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        folder = to_hugging_face(DEFAULT_WEIGHTS, home / "smollm2")
        rows.append(measured("as published (Q4_1)", DEFAULT_WEIGHTS, home, given.tokens, 0.0))
        for kind in given.types:
            began = time.perf_counter()
            converted = quantize(folder, kind, lambda _progress: None, lambda: False)
            rows.append(measured(kind, converted, home, given.tokens, time.perf_counter() - began))
            converted.unlink()
        shutil.rmtree(folder)
    publish("gguf_conversions", rows)


if __name__ == "__main__":
    main()
