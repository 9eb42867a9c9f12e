"""Client of the PyTorch worker: one task reads the connection and puts answers into a queue for each request."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from app.engine.torch.frames import LENGTH, StepOutput, pack


class Refused(Exception):
    """The worker answered a request with an error; the message is its reason."""


class WorkerClient:
    """Connection to one worker, bound to one event loop. All methods raise :class:`OSError` once the worker is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Queue[Any]] = {}
        self._gone = False
        self._reading = asyncio.create_task(self._read(reader), name="read from the torch worker")

    @classmethod
    async def over(cls, connection: socket.socket) -> WorkerClient:
        """A client on this end of the socket pair, which it owns and closes."""
        return cls(*await asyncio.open_unix_connection(sock=connection))

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """Send a request and return the worker's answer. Raises :class:`Refused`."""
        with self._registered() as (number, received):
            self._send({"op": op, "id": number, **fields})
            answer = self._received(await received.get())
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    async def stream(self, **fields: object) -> AsyncGenerator[StepOutput, None]:
        """The outputs of a ``generate`` request; closing the generator cancels it."""
        with self._registered() as (number, received):
            self._send({"op": "generate", "id": number, **fields})
            ended = False
            try:
                while not ended:
                    output: StepOutput = self._received(await received.get())
                    ended = output.end is not None
                    yield output
            finally:
                if not ended and not self._gone:
                    self._send({"op": "cancel", "id": number})

    async def close(self) -> None:
        """Close the connection; waiting requests raise. Idempotent."""
        self._writer.close()
        self._reading.cancel()
        await asyncio.wait([self._reading])

    @contextlib.contextmanager
    def _registered(self) -> Iterator[tuple[int, asyncio.Queue[Any]]]:
        number = next(self._ids)
        received: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting[number] = received
        try:
            yield number, received
        finally:
            del self._waiting[number]

    def _send(self, frame: dict[str, object]) -> None:
        if self._gone:
            raise ConnectionError("the worker is gone")
        self._writer.write(pack(frame))

    @staticmethod
    def _received(item: Any) -> Any:
        if item is None:
            raise ConnectionError("the worker closed the connection")
        return item

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Dispatch incoming frames to their requests' queues; frames for cancelled requests are dropped."""
        try:
            while True:
                (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                frame = json.loads(await reader.readexactly(size))
                for number, item in [(frame["id"], frame)] if "id" in frame else _outputs(frame):
                    if number in self._waiting:
                        self._waiting[number].put_nowait(item)
        except (asyncio.IncompleteReadError, OSError):
            pass  # the worker ended: waiting requests get None below
        finally:
            self._gone = True
            for received in self._waiting.values():
                received.put_nowait(None)


def _outputs(frame: dict[str, Any]) -> list[tuple[int, StepOutput]]:
    return [(fields[0], StepOutput(*fields)) for fields in frame["step"]]
