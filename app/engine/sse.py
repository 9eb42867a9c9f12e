"""Incremental parser for server-sent events: bytes in, the data of complete events out."""

from __future__ import annotations

_MAX_EVENT_BYTES = 4 << 20


class EventReader:
    """Splits a byte stream into events. Returns their ``data``; comments, ids and event names are ignored.

    Bytes are decoded once an event is complete, so a character split over two chunks is decoded correctly.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[str]:
        """The data of every event that `chunk` completes.

        Raises :class:`ValueError` when an event never ends or is not UTF-8.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _MAX_EVENT_BYTES:
            raise ValueError("an event longer than 4 MiB")
        events: list[str] = []
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                events.append(b"\n".join(self._data).decode())
                self._data.clear()
        return events

    def rest(self) -> list[str]:
        """After the last chunk: the data of a last event that no empty line ends. Raises as :meth:`feed`."""
        return self.feed(b"\n\n")
