"""A tiny API that says what a test tells it, on a real socket, and a reader of event streams."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve `app` on a free loopback port, in a thread."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def message(message_id: str, role: str = "assistant", content: str = "", state: str = "complete") -> dict[str, Any]:
    return {"id": message_id, "role": role, "content": content, "reasoning": "", "state": state}


def event(name: str, data: object, event_id: str | None = None) -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def delta(message_id: str, offset: int, text: str, event_id: str | None = None) -> bytes:
    return event("delta", {"message_id": message_id, "offset": offset, "text": text}, event_id)


def snapshot(**running: str) -> bytes:
    found = [{"message_id": key, "text": text, "reasoning": "", "position": None} for key, text in running.items()]
    return event("snapshot", {"running": found}, "e-0")


@dataclass
class FakeApi:
    """`script` yields what each event stream says; steps may be bytes or seconds to wait."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    script: list[bytes | float] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    sent_bytes: int = 0
    open_streams: int = 0

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/conversations/{id}", self.conversation),
                Route("/api/conversations/{id}/events", self.events),
                Route("/api/models", lambda _: Response("<html>bad gateway</html>", status_code=502)),
            ]
        )

    async def conversation(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        if request.path_params["id"] != "c1":
            return self.not_found()
        return JSONResponse({"id": "c1", "title": "T", "messages": self.messages})

    async def events(self, request: Request) -> Response:
        self.headers.append(dict(request.headers))
        if request.path_params["id"] != "c1":
            return self.not_found()
        return StreamingResponse(self.say(self.script), media_type="text/event-stream")

    async def say(self, script: list[bytes | float]) -> AsyncIterator[bytes]:
        self.open_streams += 1
        try:
            for step in script:
                if isinstance(step, bytes):
                    self.sent_bytes += len(step)
                    yield step
                else:
                    await asyncio.sleep(step)
        finally:
            self.open_streams -= 1

    def not_found(self) -> JSONResponse:
        error = {"code": "conversation_not_found", "message": "There is no such conversation.", "details": {"x": 1}}
        return JSONResponse({"error": error}, status_code=404)


Seen = tuple[str | None, str, dict[str, Any]]


def watch(
    client: httpx.Client, headers: dict[str, str] | None = None, until: Callable[[list[Seen]], bool] = lambda _: False
) -> list[Seen]:
    """The events of conversation c1 up to the stream's end, to where `until` says enough, or to 20 seconds."""
    found: list[Seen] = []
    ends = time.monotonic() + 20
    with client.stream("GET", "/conversations/c1/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        raw = b""
        for piece in answer.iter_bytes():
            *whole, raw = (raw + piece).split(b"\n\n")
            found += [event for part in whole for event in parsed(part.decode())]
            if until(found) or time.monotonic() > ends:
                break
    return found


def parsed(part: str) -> list[Seen]:
    lines = dict(line.split(": ", 1) for line in part.split("\n") if line and not line.startswith(":"))
    if "data" in lines:
        return [(lines.get("id"), lines["event"], json.loads(lines["data"]))]
    return [(None, part, {})] if part.startswith(":") else []
