"""Simulates subscribers of many replies on :mod:`benchmarks.scripted_server`; prints one JSON object.

    python -m benchmarks.stream_clients URL N_STREAMS N_WORDS

Each does what a page does: create a conversation, subscribe to its events, ask, read to the end. The reader is a plain
asyncio protocol, so that its own cost hardly affects the results.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.report import percentile

ALL_BEGIN_WITHIN_S = 2.0
SILENCE_S = 60.0


@dataclass
class Received:
    """What a subscriber received."""

    text: str = ""
    events: int = 0  # with text
    late_ms: list[float] = field(default_factory=list)  # of each word
    final: dict[str, Any] | None = None


class Subscriber(asyncio.Protocol):
    """Reads one conversation's events.

    The server writes every event in one piece, so no line is split across two HTTP chunks; the chunks' own lines
    (lengths, blanks) are skipped like all others without ``data:``.
    """

    def __init__(self, host: str, path: str) -> None:
        self.received = Received()
        self.done = asyncio.get_running_loop().create_future()
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n".encode()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Request the events."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Parse complete lines, with the time of their arrival."""
        now = time.monotonic()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                self._take(json.loads(line[6:]), now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail unless the reply has ended."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the stream ended before its reply"))

    def _take(self, event: dict[str, Any], now: float) -> None:
        if "text" in event:
            self.received.events += 1
            self.received.text += event["text"]
            self.received.late_ms += [1000 * (now - float(word)) for word in event["text"].split()]
        elif _is_finished_reply(event.get("message", {})) and not self.done.done():
            self.received.final = event["message"]
            self.done.set_result(None)


def _is_finished_reply(message: dict[str, Any]) -> bool:
    return message.get("role") == "assistant" and message["state"] != "pending"


async def stream(client: httpx.AsyncClient, url: str, begin: float) -> Received:
    """Create a conversation, subscribe, ask at `begin` (on the monotonic clock) and read the reply."""
    created = (await client.post(f"{url}/api/conversations", json={"model_id": "clock"})).raise_for_status().json()
    address = urlsplit(url)
    path = f"/api/conversations/{created['id']}"
    loop = asyncio.get_running_loop()
    transport, subscriber = await loop.create_connection(
        lambda: Subscriber(address.netloc, f"{path}/events"), address.hostname or "", address.port or 80
    )
    try:
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        question = {"parent_id": None, "content": "What time is it?"}
        (await client.post(f"{url}{path}/messages", json=question)).raise_for_status()
        async with asyncio.timeout(SILENCE_S):
            await subscriber.done
    finally:
        transport.abort()
    return subscriber.received


def problem_of(received: Received | BaseException, n_words: int) -> str | None:
    """What went wrong with a stream, if anything."""
    if isinstance(received, BaseException):
        return repr(received)
    if received.final is None or received.final["state"] != "complete":
        return f"the reply is not complete: {received.final}"
    if received.text != received.final["content"]:
        return "the deltas do not add up to the stored reply"
    if len(received.late_ms) != n_words:
        return f"{len(received.late_ms)} of {n_words} words were received"
    return None


async def run(url: str, n_streams: int, n_words: int) -> dict[str, object]:
    """Run all streams concurrently."""
    begin = time.monotonic() + 1.0 + n_streams / 100
    gap = ALL_BEGIN_WITHIN_S / n_streams
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=20)) as client:
        streams = [stream(client, url, begin + number * gap) for number in range(n_streams)]
        results = await asyncio.gather(*streams, return_exceptions=True)
    problems = [problem for result in results if (problem := problem_of(result, n_words))]
    good = [result for result in results if not isinstance(result, BaseException)]
    late_ms = [late for received in good for late in received.late_ms]
    return {
        "p50_ms": percentile(late_ms, 0.5),
        "p99_ms": percentile(late_ms, 0.99),
        "max_ms": max(late_ms, default=float("nan")),
        "words_per_event": len(late_ms) / max(1, sum(received.events for received in good)),
        "errors": len(problems),
        "first_error": problems[0] if problems else None,
        "client_cpu_s": time.process_time(),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
