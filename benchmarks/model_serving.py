"""A large model in a real server: loading time, memory, prefill and decoding speed over HTTP.

    python -m benchmarks.model_serving STORE MODEL --chats 1 4 8

STORE is a model store with the model's folder in `weights/` (:mod:`benchmarks.random_chatglm` and
:mod:`benchmarks.random_checkpoint` make some); MODEL may name a variant (`llama-7b@nf4`). PyTorch's first
start quantizes or packs, the second uses the prepared weights: remove STORE/cache before to measure both. The last
level fills the context of every slot, so that the displayed memory estimate can be compared with the peak.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.loadgen import WORDS, Load
from benchmarks.processes import Server, parley
from benchmarks.report import Row, publish

_SAMPLE_S = 0.1
_TIMEOUT_S = 1800


class Peak:
    """Peak of the private memory of a server's workers, in bytes: heap, and pages of files that only they map.

    The system can't reclaim `anonymous_bytes` of it; it can reclaim clean pages of files.
    """

    def __init__(self, server: Server) -> None:
        self.bytes = self.anonymous_bytes = 0
        self._server = server
        self._ended = threading.Event()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample while the block runs."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            try:
                held = [(worker.memory_full_info().uss, _anonymous_bytes(worker)) for worker in self._server.workers()]
            except (psutil.NoSuchProcess, FileNotFoundError):
                continue
            self.bytes = max(self.bytes, sum(private for private, _ in held))
            self.anonymous_bytes = max(self.anonymous_bytes, sum(anonymous for _, anonymous in held))


def _anonymous_bytes(process: psutil.Process) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text("ascii", "replace").splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon")), 0)


def main() -> None:
    """Measure two starts, then all levels, and publish."""
    given = _arguments()
    starts: list[Row] = []
    for start in ("first", "second"):
        with _serving(given) as server:
            peak = Peak(server)
            with peak.watched():
                loaded_s = _load(server, given.model)
                first_s = _ask(server, given.model, words=8, new_tokens=1)["seconds"]
            held = {"peak_mib": peak.bytes >> 20, "anonymous_mib": peak.anonymous_bytes >> 20}
            starts.append({"start": start, "load_s": loaded_s, "first_reply_s": first_s, **held})
            print(starts[-1], flush=True)
            if start == "second":
                _measure(server, given, starts)


def _measure(server: Server, given: argparse.Namespace, starts: list[Row]) -> None:
    rows: list[Row] = []
    for words in given.prompt_words:
        asked = _ask(server, given.model, words=words, new_tokens=1)
        rate = asked["prompt_tokens"] / asked["seconds"]
        rows.append({"what": f"prompt of {asked['prompt_tokens']} tokens", "tokens_per_s": rate})
    for chats in given.chats:
        _level(server, given.model, chats, words=8, new_tokens=1)  # now the prompts are in the cache
        short, long = (_level(server, given.model, chats, words=8, new_tokens=tokens) for tokens in given.new_tokens)
        # The difference is decoding only, without the time for prefill.
        rate = chats * (given.new_tokens[1] - given.new_tokens[0]) / (long - short)
        rows.append({"what": f"replies, {chats} chats", "tokens_per_s": rate})
    publish("model_serving", rows, starts=starts, memory=_memory(server, given), model=given.model)


def _memory(server: Server, given: argparse.Namespace) -> dict[str, float]:
    """The peak with every slot full, compared with the estimate."""
    model = httpx.get(f"{server.url}/api/models/{given.model}", timeout=60).json()
    words = int((given.context_tokens - 32) / given.tokens_per_word)
    peak = Peak(server)
    with peak.watched():
        for _ in range(2):  # in the second round the former contents of the slots go to llama.cpp's prompt cache
            _level(server, given.model, given.slots, words=words, new_tokens=given.context_tokens)
    ratio = model["memory_bytes"] / peak.bytes
    row = {
        "estimate_mib": model["memory_bytes"] >> 20,
        "peak_mib": peak.bytes >> 20,
        "anonymous_mib": peak.anonymous_bytes >> 20,
        "estimate_by_peak": ratio,
    }
    print(row, flush=True)
    return row


def _level(server: Server, model: str, chats: int, *, words: int, new_tokens: int) -> float:
    """Seconds until `chats` concurrent chats have their replies. A random model may write invisible text: it counts."""
    load = Load(f"{server.url}/v1", model, turns=1, new_tokens=new_tokens, words=words, timeout_s=_TIMEOUT_S)
    began = time.perf_counter()
    level = asyncio.run(load.level(chats))
    if level["errors"]:
        raise SystemExit(f"{level['errors']} of {chats} chats failed: {level['first_error']}")
    return time.perf_counter() - began


@contextmanager
def _serving(given: argparse.Namespace) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as home:
        settings: dict[str, object] = {
            "model_store": given.store,
            "model": given.model,
            "slots": given.slots,
            "context_tokens": given.context_tokens,
            "threads": given.threads,
        }
        with parley(Path(home), **settings) as server:
            yield server


def _load(server: Server, model: str) -> float:
    began = time.perf_counter()
    httpx.post(f"{server.url}/api/models/{model}/load", timeout=_TIMEOUT_S).raise_for_status()
    return time.perf_counter() - began


def _ask(server: Server, model: str, words: int, new_tokens: int) -> dict[str, Any]:
    """Ask one question without streaming; the tokens of its prompt, and the seconds until the response."""
    content = " ".join(itertools.islice(itertools.cycle(WORDS), words))
    body = {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": new_tokens}
    began = time.perf_counter()
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=_TIMEOUT_S)
    answer.raise_for_status()
    return {"prompt_tokens": answer.json()["usage"]["prompt_tokens"], "seconds": time.perf_counter() - began}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("model")
    parser.add_argument("--chats", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--context-tokens", type=int, default=512)
    parser.add_argument("--new-tokens", type=int, nargs=2, default=[16, 64], help="a short and a long reply")
    parser.add_argument("--prompt-words", type=int, nargs="+", default=[64, 160])
    parser.add_argument(
        "--tokens-per-word", type=float, default=1.6, help="of the load generator's words, at most: 1.6 as in ChatGLM"
    )
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    given.store = given.store.absolute()
    return given


if __name__ == "__main__":
    main()
