"""Minimal HTTP client for the llama.cpp worker.

Why not httpx: this code runs once per token, on the cores that compute the tokens, and httpx takes three times as long.
Every request has its own connection: llama.cpp's server closes kept-alive connections at any time, and closing a
connection is how a request is cancelled.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httptools

from app.engine.sse import EventReader

_READ_BYTES = 1 << 16


class Refused(Exception):
    """The worker answered with an error status; ``error`` is llama.cpp's own error object."""

    def __init__(self, status: int, error: Mapping[str, object]) -> None:
        super().__init__(f"{status}: {error.get('message', '')}")
        self.status = status
        self.error = error


class WorkerClient:
    """Requests to one worker on this machine. Raises :class:`Refused` and :class:`OSError`."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._host = host
        self._port = port
        self._key = key

    async def get(self, path: str) -> object:
        """GET `path`; returns the decoded JSON."""
        async with self._exchange("GET", path, b"") as answer:
            return json.loads(await answer.whole())

    async def post(self, path: str, body: Mapping[str, object]) -> object:
        """POST `body` to `path`; returns the decoded JSON."""
        async with self._exchange("POST", path, json.dumps(body).encode()) as answer:
            return json.loads(await answer.whole())

    async def stream(self, path: str, body: Mapping[str, object]) -> AsyncGenerator[str, None]:
        """POST `body`; yields the data of each server-sent event. Closing the generator closes the connection."""
        reader = EventReader()
        async with self._exchange("POST", path, json.dumps(body).encode()) as answer:
            while chunk := await answer.read():
                for data in reader.feed(chunk):
                    yield data

    @asynccontextmanager
    async def _exchange(self, method: str, path: str, body: bytes) -> AsyncIterator[_Answer]:
        stream, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(self._head(method, path, len(body)) + body)
            answer = _Answer(stream)
            await answer.refused()
            yield answer
        finally:
            writer.transport.abort()

    def _head(self, method: str, path: str, length: int) -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        ).encode("ascii")


class _Answer:
    """Reads one response. The ``on_…`` methods are httptools' callbacks."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._has_head = False
        self._complete = False

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        self._complete = True

    async def read(self) -> bytes:
        """The next bytes of the body, ``b""`` at its end; raises :class:`ConnectionError` when it is cut short."""
        while not self._body and not self._complete:
            await self._feed()
        chunk = b"".join(self._body)
        self._body.clear()
        return chunk

    async def whole(self) -> bytes:
        """The whole body."""
        parts = []
        while chunk := await self.read():
            parts.append(chunk)
        return b"".join(parts)

    async def refused(self) -> None:
        """Wait for the status line; raise :class:`Refused` unless it is 200."""
        while not self._has_head:
            await self._feed()
        status = self._parser.get_status_code()
        if status != 200:
            raise Refused(status, _error_in(await self.whole()))

    async def _feed(self) -> None:
        data = await self._stream.read(_READ_BYTES)
        if not data:
            raise ConnectionResetError("the worker closed the connection in the middle of a response")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as broken:
            raise ConnectionResetError(f"the worker's response was not HTTP: {broken}") from broken


def _error_in(body: bytes) -> Mapping[str, object]:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return {"message": body[:200].decode(errors="replace")}
    return error if isinstance(error, dict) else {"message": str(error)}
