"""What hostile replies cost others: `/healthz` while a page shows code made to be slow, in every language of Pygments.

For each language a chat is imported whose replies are 40 of the texts of :mod:`benchmarks.hostile_code`, and opened
through the page's own route, which renders them. `/healthz` is requested 50 times a second beside it. Aim: 99 % of the
health checks are answered within 50 ms. About ten minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from pygments.lexers import get_all_lexers

from benchmarks.hostile_code import texts
from benchmarks.processes import Server, memory, parley
from benchmarks.report import percentile, publish

BODIES = 40
HEALTH_PER_S = 50
LONGEST_BLOCK = "parley_event_loop_longest_block_seconds"


@dataclass
class Seen:
    """What was measured: milliseconds of each health check, seconds of each page, most memory in MiB."""

    health_ms: list[float] = field(default_factory=list)
    page_s: dict[str, float] = field(default_factory=dict)
    server_mib: int = 0
    renderer_mib: int = 0
    longest_block_ms: float = 0.0


def chat(language: str, characters: int) -> dict[str, Any]:
    """A file to import whose replies are hostile code in `language`."""
    every = list(texts(characters))
    bodies = [every[len(every) * n // BODIES][1] for n in range(BODIES)]
    replies = [{"role": "assistant", "content": f"```{language}\n{body}\n```"} for body in bodies]
    turns = [turn for reply in replies for turn in ({"role": "user", "content": "Show me."}, reply)]
    return {"title": language, "messages": turns}


async def watch(client: httpx.AsyncClient, server: Server, seen: Seen) -> None:
    """Request `/healthz` and look at the memory until cancelled."""
    while True:
        begun = time.monotonic()
        (await client.get("/healthz")).raise_for_status()
        seen.health_ms.append(1000 * (time.monotonic() - begun))
        if len(seen.health_ms) % HEALTH_PER_S == 0:
            seen.server_mib = max(seen.server_mib, memory(server.process).rss_mib)
            seen.renderer_mib = max(seen.renderer_mib, *_renderers(server), 0)
            seen.longest_block_ms = max(seen.longest_block_ms, await _longest_block_ms(client))
        await asyncio.sleep(max(0.0, 1 / HEALTH_PER_S - (time.monotonic() - begun)))


def _renderers(server: Server) -> Iterator[int]:
    for worker in server.workers():
        try:
            yield memory(worker).rss_mib
        except psutil.Error:  # it has ended
            yield 0


async def show(url: str, server: Server, languages: list[str], characters: int) -> Seen:
    """Open a page of hostile replies in each language, one after the other."""
    seen = Seen()
    async with httpx.AsyncClient(base_url=url, timeout=200) as client, httpx.AsyncClient(base_url=url) as health:
        watching = asyncio.create_task(watch(health, server, seen))
        for number, language in enumerate(languages, 1):
            answer = await client.post("/api/conversations/import", json=chat(language, characters))
            begun = time.monotonic()
            made = answer.raise_for_status().json()["id"]
            (await client.get(f"/ui/conversations/{made}")).raise_for_status()
            seen.page_s[language] = round(time.monotonic() - begun, 2)
            (await client.delete(f"/api/conversations/{made}")).raise_for_status()
            if number % 50 == 0:
                print(f"{number} of {len(languages)} languages", flush=True)
        watching.cancel()
    return seen


async def _longest_block_ms(client: httpx.AsyncClient) -> float:
    lines = (await client.get("/metrics")).text.splitlines()
    return max(1000 * float(line.split()[-1]) for line in lines if line.startswith(LONGEST_BLOCK))


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("languages", nargs="*", help="by default all that Pygments knows")
    parser.add_argument("--characters", type=int, default=20_000)
    given = parser.parse_args(arguments)
    languages = given.languages or sorted(aliases[0] for _, aliases, *_ in get_all_lexers() if aliases)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name, parley(Path(name)) as server:
        seen = asyncio.run(show(server.url, server, languages, given.characters))
    slowest = max(seen.page_s, key=lambda language: seen.page_s[language])
    row = {
        "languages": len(languages),
        "replies": BODIES * len(languages),
        "health p50 ms": round(percentile(seen.health_ms, 0.5), 1),
        "health p99 ms": round(percentile(seen.health_ms, 0.99), 1),
        "health longest ms": round(max(seen.health_ms), 1),
        "longest block ms": round(seen.longest_block_ms, 1),
        "slowest page": f"{slowest}, {seen.page_s[slowest]} s",
        "server MiB": seen.server_mib,
        "renderer MiB": seen.renderer_mib,
    }
    publish("hostile_replies", [row], page_s=seen.page_s)


if __name__ == "__main__":
    main()
