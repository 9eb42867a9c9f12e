"""Run the application under uvicorn, with a socket bound beforehand and a graceful shutdown."""

from __future__ import annotations

import errno
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.api.authentication import PEER
from app.api.deps import Services
from app.cli.uvicorn_protocol import LimitedProtocol
from app.config import LOOPBACK_ADDRESSES
from app.errors import ConfigurationError, ParleyError

# Event streams are closed at shutdown; connections still open after this are cut.
GRACE_S = 3


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises :class:`ConfigurationError` with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # listen now, so that a second server fails at once
    except OSError as err:
        listening.close()
        if err.errno == errno.EADDRINUSE:
            raise ConfigurationError(
                f"Port {port} is in use, perhaps by another Parley. Stop it, or choose another port: --port {port + 1}."
            ) from err
        raise ConfigurationError(f"Can't listen on {host}:{port}: {err.strerror}. Choose another --port.") from err
    return listening


def address(listening: socket.socket) -> str:
    """The URL of a bound socket, on this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def exempt_start_from_gc() -> None:
    """Leave what exists now out of garbage collection, for a process that serves from now on.

    A full collection otherwise walks over everything that was imported: 30 to 130 ms, measured on the event loop.
    """
    gc.collect()
    gc.freeze()


class KnownPeer:
    """Notes the address at the other end of the connection, which a proxy's headers replace by the client's."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] == "http":
            scope[PEER] = scope["client"][0] if scope.get("client") else None
        await self._app(scope, receive, send)


class Server(uvicorn.Server):
    """Uvicorn that ends replies and event streams before it waits for connections to close."""

    def __init__(
        self,
        app: Starlette,
        on_started: Callable[[Services], None] | None = None,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        config = uvicorn.Config(
            KnownPeer(ProxyHeadersMiddleware(cast(Any, app), [*LOOPBACK_ADDRESSES, *trusted_proxies])),
            http=LimitedProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_S,
            server_header=False,
            proxy_headers=False,  # done above
            lifespan="on",
        )
        super().__init__(config)
        self._parley = app
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application, then the socket."""
        await super().startup(sockets)
        if self.started and self._on_started is not None:
            self._on_started(self._parley.state.services)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Mark running replies as interrupted, close the event streams, then shut down."""
        if self.started:
            services: Services = self._parley.state.services
            await services.chat.close()
            services.conversations.close()
            services.models.events.close()
        await super().shutdown(sockets)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until stopped. Raises the error that kept the application from starting."""
        try:
            super().run(sockets)
        except SystemExit:  # uvicorn raises this when the application did not start
            self.raise_startup_error()
            raise

    def raise_startup_error(self) -> None:
        """Raise the error that kept the application from starting, if there is one."""
        error = getattr(self._parley.state, "startup_error", None)
        if isinstance(error, ParleyError):
            raise error

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM shut the server down gracefully, with exit code 0: uvicorn would raise them again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
