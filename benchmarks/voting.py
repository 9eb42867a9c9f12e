"""Many people who judge at once: 300 of them, each with a chat of their own, all votes sent at the same moment.

The scripted engine answers, so that only the judgements are measured. Each person compares two replies side by side,
then ranks them. Afterwards every ranking is read back: none may be lost. Aim: 99 % are committed within a second.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.processes import free_port, running
from benchmarks.report import percentile, publish

PEOPLE = 300
MODEL = "clock"


async def compared(client: httpx.AsyncClient) -> list[str]:
    """A new chat with a comparison of two finished replies, whose ids are returned."""
    chat = (await client.post("/api/conversations", json={})).raise_for_status().json()["id"]
    body = {"content": "Hello", "contenders": [{"model_id": MODEL}, {"model_id": MODEL}]}
    started = (await client.post(f"/api/conversations/{chat}/compare", json=body)).raise_for_status().json()
    ids = [str(reply["id"]) for reply in started["replies"]]
    for _ in range(200):
        messages = (await client.get(f"/api/conversations/{chat}")).raise_for_status().json()["messages"]
        if all(message["state"] == "complete" for message in messages):
            return ids
        await asyncio.sleep(0.02)
    raise RuntimeError("the replies did not end")


async def vote(client: httpx.AsyncClient, replies: list[str]) -> tuple[int, float]:
    """The status and the milliseconds of a vote for the first reply."""
    begun = time.monotonic()
    items = [{"message_id": reply, "rank": place} for place, reply in enumerate(replies, 1)]
    answer = await client.post("/api/rankings", json={"source": "side_by_side", "items": items})
    return answer.status_code, 1000 * (time.monotonic() - begun)


async def is_stored(client: httpx.AsyncClient, replies: list[str]) -> bool:
    """Whether the vote is there."""
    judgements = (await client.get(f"/api/messages/{replies[0]}/judgements")).raise_for_status().json()
    ranks = {item["message_id"]: item["rank"] for item in judgements[0]["ranking"]["items"]}
    return ranks == {reply: place for place, reply in enumerate(replies, 1)}


async def measure(url: str, people: int) -> dict[str, Any]:
    """Vote with `people` at once."""
    limits = httpx.Limits(max_connections=people)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        shown = [await compared(client) for _ in range(people)]
        begun = time.monotonic()
        votes = await asyncio.gather(*(vote(client, replies) for replies in shown))
        wall_s = time.monotonic() - begun
        lost = sum([not await is_stored(client, replies) for replies in shown])
    times = [milliseconds for _, milliseconds in votes]
    return {
        "people": people,
        "refused": sum(status != 201 for status, _ in votes),
        "lost": lost,
        "p50 ms": round(percentile(times, 0.5)),
        "p99 ms": round(percentile(times, 0.99)),
        "all within s": round(wall_s, 2),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=PEOPLE)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        home, port = Path(name), free_port()
        command = [sys.executable, "-m", "benchmarks.scripted_server", str(home), str(port), "5", "1"]
        with running(command, port, ready="/readyz", settings={}, log=home / "server.log") as server:
            publish("voting", [asyncio.run(measure(server.url, given.people))])


if __name__ == "__main__":
    main()
