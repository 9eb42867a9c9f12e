"""Uvicorn's HTTP protocol with limits that it lacks: the size of a request's head, and how long a client may be silent.

Without them one header of 124 MB took 277 MB of memory, and a connection that sent nothing stayed open for ever.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api.errors import error_body


@dataclass(frozen=True)
class Limits:
    """What a client may take."""

    head_bytes: int = 64 * 1024  # request line and headers; more gets 431
    head_s: float = 10.0  # from the connection or the first byte of a request to the end of its head
    body_silence_s: float = 30.0  # without a byte of a body that isn't complete


class HeadTooLarge(Exception):
    """Stops the parser."""


class LimitedProtocol(HttpToolsProtocol):
    """One connection. A client that exceeds a limit is disconnected; one that only idles between requests is uvicorn's.

    `httptools` keeps an unfinished header to itself, so its size is not known: the bytes received since the parser last
    handed something out are counted in its place.
    """

    limits: ClassVar[Limits] = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0  # of the finished parts of this request's head, and of the trailers after its body
        self._unparsed_bytes = 0
        self._in_body = False
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None

    # --- the connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected; it must send a request."""
        super().connection_made(transport)
        self._expect_within(self.limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the request has been refused."""
        if self._refused:
            return
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        if self._is_head_too_large():
            self.send_400_response("")
        elif self._in_body:
            self._expect_within(self.limits.body_silence_s)
        elif self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_within(self.limits.head_s)  # a mere line break has stopped uvicorn's own timer

    def send_400_response(self, msg: str) -> None:
        """Refuse what can't be parsed; 431 if it is too large."""
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # a refusal would be taken for a part of that response
        elif self._is_head_too_large():
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _is_head_too_large(self) -> bool:
        return self._head_bytes + self._unparsed_bytes > self.limits.head_bytes

    def _refuse_head(self) -> None:
        """Answer 431, and drop what the client is still sending until it stops or its time is up.

        If the connection were closed at once, it would be reset, and the client would not see the answer.
        """
        self._refused = True
        if self.cycle is not None:  # it waits for the body to which these trailers belong
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        message = f"The head of this request is too large: the limit is {self.limits.head_bytes // 1024} KB."
        body = json.dumps(error_body("head_too_large", message)).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[431] + head + body)
        self.transport.write_eof()
        self._expect_within(self.limits.head_s)

    # --- what the parser hands out -------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._head_bytes = 0
        self._expect_within(self.limits.head_s)

    def on_url(self, url: bytes) -> None:
        """A part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after a body: those are dropped, since the headers have been checked by then."""
        self._count(len(name) + len(value) + 4)
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete: the application is called."""
        super().on_headers_complete()
        self._unparsed_bytes = 0
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        super().on_message_complete()
        self._unparsed_bytes = 0
        self._in_body = False
        self._expect_nothing()

    def _count(self, n_bytes: int) -> None:
        self._unparsed_bytes = 0
        self._head_bytes += n_bytes
        if self._is_head_too_large():
            raise HeadTooLarge

    # --- deadlines -----------------------------------------------------------------------------------

    def _expect_within(self, seconds: float) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.flow.read_paused and not self._refused:  # it is we who do not read
            self._expect_within(self.limits.body_silence_s)
        else:
            self.transport.close()
