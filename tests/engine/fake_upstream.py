"""An OpenAI-compatible server on loopback that behaves as a test tells it, well or badly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.domain.sampling import SamplingParams
from app.engine.base import LoadPlan
from app.families.base import Family
from app.models.manifest import Manifest, UpstreamSource

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@dataclass
class Upstream:
    """What a test can see of the server."""

    base_url: str
    open_connections: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)


Send = Callable[[bytes], Awaitable[None]]
Answer = Callable[[dict[str, Any], Send], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Upstream]:
    """`answer` is given each request's body and sends raw bytes, the status line first."""
    upstream = Upstream("")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        upstream.open_connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(h.split(":")[1]) for h in head.lower().split("\r\n") if h.startswith("content-length"))
            body = json.loads(await reader.readexactly(length))
            upstream.heads.append(head)
            upstream.bodies.append(body)
            work = asyncio.create_task(answer(body, send))  # type: ignore[arg-type]
            gone = asyncio.create_task(reader.read())
            await asyncio.wait([work, gone], return_when=asyncio.FIRST_COMPLETED)
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
        finally:
            upstream.open_connections -= 1
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    upstream.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield upstream
    finally:
        server.close()


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def piece(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]}


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    return {"choices": [], "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}}


async def refuse(send: Send, status: int, error: object) -> None:
    body = json.dumps(error).encode()
    await send(b"HTTP/1.1 %d No\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body)) + body)


def plan(
    base_url: str, *, api_key_env: str | None = None, timeout_s: float = 5.0, context_tokens: int = 2048
) -> LoadPlan:
    manifest = Manifest(
        id="upstream",
        title="Upstream",
        family="native",
        engine="openai",
        source=UpstreamSource(base_url, "the-model", api_key_env),
        default_sampling=SamplingParams(),
    )
    family = Family("native", "Native", None)
    return LoadPlan(manifest, family, None, context_tokens, 2, 1, upstream_timeout_s=timeout_s)
