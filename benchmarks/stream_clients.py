"""Many people watching their replies at once, against :mod:`benchmarks.scripted_server`; one JSON object when done.

    python -m benchmarks.stream_clients URL N_STREAMS N_WORDS

Each stream is what a page does: make a conversation, watch its events, ask, read to the end. The reader is plain
asyncio, so that its own cost does not blur what it measures.
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
class Watched:
    """What one stream brought."""

    text: str = ""
    events: int = 0  # that brought text
    late_ms: list[float] = field(default_factory=list)  # of each word
    final: dict[str, Any] | None = None


class Watcher(asyncio.Protocol):
    """Reads one conversation's events.

    The server writes every event in one piece, so a line never lies across two HTTP chunks; the chunks' own lines
    (lengths, blanks) are passed over with all others that are no ``data:``.
    """

    def __init__(self, host: str, path: str) -> None:
        self.watched = Watched()
        self.done = asyncio.get_running_loop().create_future()
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n".encode()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the events."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note when it came."""
        now = time.monotonic()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                self._take(json.loads(line[6:]), now)

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the stream ended before its reply"))

    def _take(self, event: dict[str, Any], now: float) -> None:
        if "text" in event:
            self.watched.events += 1
            self.watched.text += event["text"]
            self.watched.late_ms += [1000 * (now - float(word)) for word in event["text"].split()]
        elif _is_finished_reply(event.get("message", {})) and not self.done.done():
            self.watched.final = event["message"]
            self.done.set_result(None)


def _is_finished_reply(message: dict[str, Any]) -> bool:
    return message.get("role") == "assistant" and message["state"] != "pending"


async def watch(client: httpx.AsyncClient, url: str, begin: float) -> Watched:
    """One conversation, one question, one reply; it begins at `begin` on the monotonic clock."""
    made = (await client.post(f"{url}/api/conversations", json={"model_id": "clock"})).raise_for_status().json()
    place = urlsplit(url)
    path = f"/api/conversations/{made['id']}"
    loop = asyncio.get_running_loop()
    transport, watcher = await loop.create_connection(
        lambda: Watcher(place.netloc, f"{path}/events"), place.hostname or "", place.port or 80
    )
    try:
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        question = {"parent_id": None, "content": "What time is it?"}
        (await client.post(f"{url}{path}/messages", json=question)).raise_for_status()
        async with asyncio.timeout(SILENCE_S):
            await watcher.done
    finally:
        transport.abort()
    return watcher.watched


def judge(watched: Watched | BaseException, n_words: int) -> str | None:
    """What was wrong with a stream."""
    if isinstance(watched, BaseException):
        return repr(watched)
    if watched.final is None or watched.final["state"] != "complete":
        return f"the reply ended so: {watched.final}"
    if watched.text != watched.final["content"]:
        return "the deltas do not add up to the stored reply"
    if len(watched.late_ms) != n_words:
        return f"{len(watched.late_ms)} words came of {n_words}"
    return None


async def run(url: str, n_streams: int, n_words: int) -> dict[str, object]:
    """All streams at once."""
    begin = time.monotonic() + 1.0 + n_streams / 100
    gap = ALL_BEGIN_WITHIN_S / n_streams
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=20)) as client:
        streams = [watch(client, url, begin + number * gap) for number in range(n_streams)]
        results = await asyncio.gather(*streams, return_exceptions=True)
    problems = [problem for result in results if (problem := judge(result, n_words))]
    good = [result for result in results if not isinstance(result, BaseException)]
    late_ms = [late for watched in good for late in watched.late_ms]
    return {
        "p50_ms": percentile(late_ms, 0.5),
        "p99_ms": percentile(late_ms, 0.99),
        "max_ms": max(late_ms, default=float("nan")),
        "words_per_event": len(late_ms) / max(1, sum(watched.events for watched in good)),
        "errors": len(problems),
        "first_error": problems[0] if problems else None,
        "client_cpu_s": time.process_time(),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
