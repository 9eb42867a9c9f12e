"""Simulates open pages of :mod:`benchmarks.scripted_server`; prints one JSON object.

    python -m benchmarks.page_clients URL N_PAGES N_STREAMING N_WORDS

A page makes the requests of a browser: the document, a conversation, its rendered events. `N_STREAMING` of them ask a
question; each word in a ``render`` event is the time at which it was due.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx

from benchmarks.report import percentile

TAGS = re.compile(r"<[^>]*>")


class Page:
    """One page, with the delays of its words in ``late_ms``."""

    def __init__(self, client: httpx.AsyncClient, n_words: int) -> None:
        self._client, self._n_words = client, n_words
        self._seen: dict[int, int] = {}  # words of each block
        self.late_ms: list[float] = []
        self.conversation_id = ""

    async def open(self) -> None:
        """Load the document and create a conversation."""
        (await self._client.get("/")).raise_for_status()
        made = await self._client.post("/api/conversations", json={"model_id": "clock"})
        self.conversation_id = made.raise_for_status().json()["id"]

    async def watch(self, streaming: bool, ready: asyncio.Barrier, over: asyncio.Event) -> None:
        """Read events until its own reply, or those of all streaming pages, have ended."""
        url = f"/ui/conversations/{self.conversation_id}/events"
        async with self._client.stream("GET", url, timeout=60) as response:
            events = _events(response)
            await anext(events)  # the snapshot
            await ready.wait()
            if not streaming:
                await over.wait()
                return
            question = {"parent_id": None, "content": "What time is it?"}
            url = f"/api/conversations/{self.conversation_id}/messages"
            (await self._client.post(url, json=question)).raise_for_status()
            async for name, data in events:
                if name == "render":
                    self._take(data["blocks"], time.monotonic())
                if name in ("finished", "error"):
                    return

    def _take(self, blocks: list[dict[str, Any]], now: float) -> None:
        for block in blocks:
            words = TAGS.sub(" ", block["html"]).split()
            self.late_ms += [1000 * (now - float(word)) for word in words[self._seen.get(block["index"], 0) :]]
            self._seen[block["index"]] = len(words)


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


async def run(url: str, n_pages: int, n_streaming: int, n_words: int) -> dict[str, object]:
    """Run all pages concurrently."""
    async with httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=None), timeout=60) as client:
        pages = [Page(client, n_words) for _ in range(n_pages)]
        for page in pages:
            await page.open()
        ready, over = asyncio.Barrier(n_pages + 1), asyncio.Event()
        watching = [asyncio.create_task(p.watch(n < n_streaming, ready, over)) for n, p in enumerate(pages)]
        await ready.wait()
        await asyncio.gather(*watching[:n_streaming])
        over.set()
        await asyncio.gather(*watching)
    late_ms = [late for page in pages for late in page.late_ms]
    missing = sum(n_words - len(page.late_ms) for page in pages[:n_streaming])
    return {"p50_ms": percentile(late_ms, 0.5), "p99_ms": percentile(late_ms, 0.99), "missing": missing}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], *(int(value) for value in sys.argv[2:5])))))
