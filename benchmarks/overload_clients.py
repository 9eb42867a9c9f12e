"""Sends more requests than a server has places for; prints one JSON object.

    python -m benchmarks.overload_clients URL ROUTE LENGTH N_REQUESTS PER_S

ROUTE is `messages` or `completions`, LENGTH the characters of a message. An accepted request is kept open until the
end, so that its place stays taken; its time is not measured. Plain sockets, so that the clients' own cost hardly
matters.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.loadgen import WORDS
from benchmarks.report import percentile

HEALTH_PER_S = 50
NEW_TOKENS = 4096  # more than a reply can write while this is measured
PATIENCE_S = 120.0


@dataclass
class Seen:
    """What the clients have seen: milliseconds to the answer of each refusal and of each health check."""

    refused_ms: list[float] = field(default_factory=list)
    health_ms: list[float] = field(default_factory=list)
    accepted: int = 0
    errors: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Counts and percentiles."""
        return {
            "accepted": self.accepted,
            "refused": len(self.refused_ms),
            "errors": len(self.errors),
            "first_error": next(iter(self.errors), ""),
            "refusal_p50_ms": percentile(self.refused_ms, 0.5),
            "refusal_p99_ms": percentile(self.refused_ms, 0.99),
            "health_p50_ms": percentile(self.health_ms, 0.5),
            "health_p99_ms": percentile(self.health_ms, 0.99),
        }


class Clients:
    """Requests of one route to one server."""

    def __init__(self, url: str, route: str, length: int) -> None:
        address = urlsplit(url)
        self._url, self._host, self._port = url, address.hostname or "", address.port or 0
        self._route, self._length = route, length
        self._chance = random.Random(1)
        self._kept: list[asyncio.StreamWriter] = []  # connections of accepted requests
        self.seen = Seen()

    async def run(self, n_requests: int, per_s: int) -> None:
        """Send `n_requests`, `per_s` a second whether or not they are answered, and wait for the answers."""
        await self._warm_up()
        requests = self._requests(n_requests, self._length, NEW_TOKENS)
        checking = asyncio.create_task(self._check_health())
        await asyncio.gather(*(self._at(n / per_s, self._ask(request)) for n, request in enumerate(requests)))
        checking.cancel()
        for writer in self._kept:
            writer.transport.abort()

    async def _warm_up(self) -> None:
        """Get one short reply: the first request to a server compiles its SQL statements."""
        (request,) = self._requests(1, length=20, new_tokens=1)
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(request)
        await reader.read()
        writer.transport.abort()

    def _requests(self, n: int, length: int, new_tokens: int) -> list[bytes]:
        """Requests for the events of a reply each; for `messages` each in a new conversation."""
        words = (self._chance.choices(WORDS, k=length) for _ in range(n))
        texts = [" ".join(some)[:length] for some in words]
        if self._route == "messages":
            with httpx.Client(base_url=self._url) as http:
                ids = [http.post("/api/conversations", json={}).json()["id"] for _ in range(n)]
            sampling = {"max_new_tokens": new_tokens}
            bodies = [{"content": text, "sampling": sampling} for text in texts]
            return [self._post(f"/api/conversations/{i}/messages", body) for i, body in zip(ids, bodies, strict=True)]
        options = {"stream": True, "max_tokens": new_tokens, "ignore_eos": True}
        messages = [[{"role": "user", "content": text}] for text in texts]
        return [self._post("/v1/chat/completions", {"messages": some, **options}) for some in messages]

    def _post(self, path: str, body: object) -> bytes:
        raw = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: text/event-stream\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\nConnection: close\r\n\r\n"
        return head.encode() + raw

    async def _at(self, second: float, work: Coroutine[Any, Any, None]) -> None:
        await asyncio.sleep(second)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await work
        except (OSError, TimeoutError, ValueError) as err:
            self.seen.errors.append(f"{type(err).__name__}: {err}")

    async def _ask(self, request: bytes) -> None:
        status, head, took_ms = await self._exchange(request, keep=True)
        if status == 503 and "retry-after:" in head:
            self.seen.refused_ms.append(took_ms)
        elif status in (200, 201):
            self.seen.accepted += 1
        else:
            raise ValueError(f"unexpected answer {head[:200]}")

    async def _check_health(self) -> None:
        request = f"GET /healthz HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n\r\n".encode()
        while True:
            *_, took_ms = await self._exchange(request)
            self.seen.health_ms.append(took_ms)
            await asyncio.sleep(max(0.0, 1 / HEALTH_PER_S - took_ms / 1000))

    async def _exchange(self, request: bytes, *, keep: bool = False) -> tuple[int, str, float]:
        """Status, head in lower case, and milliseconds to the end of the head; `keep` an accepted one open."""
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        took_ms = 1000 * (time.perf_counter() - began)
        status = int(head.split(" ", 2)[1])
        if keep and status in (200, 201):
            self._kept.append(writer)
        else:
            writer.transport.abort()
        return status, head, took_ms


def main() -> None:
    """Run the clients of one measurement."""
    url, route, length, n_requests, per_s = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    clients = Clients(url, route, length)
    asyncio.run(clients.run(n_requests, per_s))
    print(json.dumps(clients.seen.summary()))


if __name__ == "__main__":
    main()
