"""Client of the PyTorch worker: one reader, and a queue for each request that waits for something."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from app.engine.torch.frames import LENGTH, News, pack


class Refused(Exception):
    """The worker says why it did not do what was asked."""


class WorkerClient:
    """Speaks to one worker, from the event loop that connected. Everything raises :class:`OSError` once it is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Queue[Any]] = {}
        self._gone = False
        self._reading = asyncio.create_task(self._read(reader), name="read from the torch worker")

    @classmethod
    async def over(cls, connection: socket.socket) -> WorkerClient:
        """A client on our half of the socket pair, which it closes in the end."""
        return cls(*await asyncio.open_unix_connection(sock=connection))

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """The worker's answer. Raises :class:`Refused`."""
        with self._listening() as (number, heard):
            self._send({"op": op, "id": number, **fields})
            answer = self._heard(await heard.get())
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    async def stream(self, **fields: object) -> AsyncGenerator[News, None]:
        """What a ``generate`` brings, to its end; closing it cancels."""
        with self._listening() as (number, heard):
            self._send({"op": "generate", "id": number, **fields})
            ended = False
            try:
                while not ended:
                    news: News = self._heard(await heard.get())
                    ended = news.end is not None
                    yield news
            finally:
                if not ended and not self._gone:
                    self._send({"op": "cancel", "id": number})

    async def close(self) -> None:
        """Close the connection; requests that wait are told. Idempotent."""
        self._writer.close()
        self._reading.cancel()
        await asyncio.wait([self._reading])

    @contextlib.contextmanager
    def _listening(self) -> Iterator[tuple[int, asyncio.Queue[Any]]]:
        number = next(self._ids)
        heard: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting[number] = heard
        try:
            yield number, heard
        finally:
            del self._waiting[number]

    def _send(self, frame: dict[str, object]) -> None:
        if self._gone:
            raise ConnectionError("the worker is gone")
        self._writer.write(pack(frame))

    @staticmethod
    def _heard(item: Any) -> Any:
        if item is None:
            raise ConnectionError("the worker closed the connection")
        return item

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand out what comes. What nobody waits for any more (it was cancelled) is dropped."""
        try:
            while True:
                (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                frame = json.loads(await reader.readexactly(size))
                for number, item in [(frame["id"], frame)] if "id" in frame else _news(frame):
                    if number in self._waiting:
                        self._waiting[number].put_nowait(item)
        except (asyncio.IncompleteReadError, OSError):
            pass  # it ended; those who wait learn it below
        finally:
            self._gone = True
            for heard in self._waiting.values():
                heard.put_nowait(None)


def _news(frame: dict[str, Any]) -> list[tuple[int, News]]:
    return [(fields[0], News(*fields)) for fields in frame["step"]]
