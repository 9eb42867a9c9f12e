"""Load generator: concurrent chats with any OpenAI-compatible server on this machine.

    python -m benchmarks.loadgen http://127.0.0.1:7860/v1 --model smollm2-135m-instruct --chats 1 4 16

Each chat asks, streams the reply, and asks again with the whole history. It prints a JSON line per number of chats,
with medians except for the last three:

    ttft1_s   seconds from the request to the first text, first turn
    ttftN_s   the same, last turn, which shows whether the history comes from the cache
    itl_ms    inter-token latency: milliseconds between two pieces of text
    tok_s     completion tokens per second of all chats together, as counted by the server (otherwise pieces of text)
    wall_s    seconds until the last chat ended
    errors    chats that failed, with the first error
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from dataclasses import dataclass, field

import httpx

from benchmarks.report import median

WORDS = (
    "amber",
    "basin",
    "candle",
    "drift",
    "ember",
    "fern",
    "glacier",
    "hollow",
    "island",
    "jasper",
    "kettle",
    "ledger",
)


@dataclass
class Turn:
    """A received reply. Times in seconds."""

    text: str = ""
    first_s: float = float("nan")
    gaps_s: list[float] = field(default_factory=list)
    n_tokens: int = 0


class LoadFailed(Exception):
    """The server returned an error, as a status or in its stream."""


@dataclass(frozen=True)
class Load:
    """The settings of all chats."""

    base: str
    model: str
    key: str = "none"
    turns: int = 3
    new_tokens: int = 64
    words: int = 40
    seed: int = 1
    timeout_s: float = 600
    ignore_eos: bool = True

    async def level(self, n_chats: int) -> dict[str, object]:
        """Run `n_chats` concurrently, from the first question to the last reply."""
        limits = httpx.Limits(max_connections=n_chats + 4)
        async with httpx.AsyncClient(timeout=self.timeout_s, limits=limits) as client:
            started = time.perf_counter()
            chats = [self._chat(client, random.Random(self.seed * 1000 + number)) for number in range(n_chats)]
            results = await asyncio.gather(*chats, return_exceptions=True)
            wall_s = time.perf_counter() - started
        failures = [repr(result)[:300] for result in results if isinstance(result, BaseException)]
        done = [result for result in results if not isinstance(result, BaseException)]
        row: dict[str, object] = {
            "chats": n_chats,
            "ttft1_s": round(median(turns[0].first_s for turns in done), 4),
            "ttftN_s": round(median(turns[-1].first_s for turns in done), 4),
            "itl_ms": round(1000 * median(gap for turns in done for turn in turns for gap in turn.gaps_s), 1),
            "tok_s": round(sum(turn.n_tokens for turns in done for turn in turns) / wall_s, 2),
            "wall_s": round(wall_s, 1),
            "errors": len(failures),
        }
        return row | {"first_error": failures[0]} if failures else row

    async def _chat(self, client: httpx.AsyncClient, chance: random.Random) -> list[Turn]:
        messages: list[dict[str, str]] = []
        turns = []
        for _ in range(self.turns):
            messages.append({"role": "user", "content": question(chance, self.words)})
            turns.append(await self._turn(client, messages))
            messages.append({"role": "assistant", "content": turns[-1].text or "."})
        return turns

    async def _turn(self, client: httpx.AsyncClient, messages: list[dict[str, str]]) -> Turn:
        body: dict[str, object] = {
            "model": self.model,
            "messages": messages,
            "max_tokens": self.new_tokens,
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.ignore_eos:
            body["ignore_eos"] = True
        turn = Turn()
        asked = time.perf_counter()
        last = float("nan")
        headers = {"Authorization": f"Bearer {self.key}"}
        async with client.stream("POST", f"{self.base}/chat/completions", json=body, headers=headers) as response:
            if response.status_code != 200:
                raise LoadFailed(f"HTTP {response.status_code}: {(await response.aread())[:200]!r}")
            async for line in response.aiter_lines():
                if not line.startswith("data:") or line == "data: [DONE]":
                    continue
                text = _read(json.loads(line[5:]), turn)
                if text:
                    now = time.perf_counter()
                    if turn.text:
                        turn.gaps_s.append(now - last)
                    else:
                        turn.first_s = now - asked
                    turn.text += text
                    last = now
        turn.n_tokens = turn.n_tokens or len(turn.gaps_s) + 1
        return turn


def question(chance: random.Random, n_words: int) -> str:
    """A random question."""
    return f"Describe this: {' '.join(chance.choice(WORDS) for _ in range(n_words))}"


def _read(event: dict[str, object], turn: Turn) -> str:
    """The text of an event; its token count, if any, is stored in `turn`."""
    if event.get("error"):
        raise LoadFailed(str(event["error"])[:200])
    usage = event.get("usage")
    if isinstance(usage, dict):
        turn.n_tokens = usage["completion_tokens"]
    choices = event.get("choices")
    if not isinstance(choices, list):
        return ""
    return "".join((choice.get("delta") or {}).get("content") or "" for choice in choices)


def main() -> None:
    """The command line; the same as that of other load generators for Parley, so that they can replace each other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("--model", required=True)
    parser.add_argument("--key", default="none")
    parser.add_argument("--chats", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="leave out ignore_eos, for servers that refuse it")
    given = parser.parse_args()
    load = Load(
        base=given.base.rstrip("/"),
        model=given.model,
        key=given.key,
        turns=given.turns,
        new_tokens=given.new_tokens,
        words=given.words,
        seed=given.seed,
        timeout_s=given.timeout,
        ignore_eos=not given.plain,
    )
    for n_chats in given.chats:
        print(json.dumps(asyncio.run(load.level(n_chats))), flush=True)


if __name__ == "__main__":
    main()
