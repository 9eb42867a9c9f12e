"""ASGI middleware before every route: Host and Origin checks, body size limit, security headers.

Why Host and Origin are checked: without a login, any web page open in the user's browser could otherwise reach the
server on their machine (DNS rebinding, cross-site requests).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import error_body

# Tested with Gradio 6 (server-side rendering off). It blocks scripts that use eval().
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class SecurityHeaders:
    """Adds security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class HostAndOriginCheck:
    """403 unless Host is an allowed name and Origin, if present, is the same host."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])  # of repeated headers the last counts, in both checks
        host = headers.get(b"host", b"").decode("latin-1").lower()
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        foreign = bool(origin) and origin.partition("://")[2] != host
        # Simple cross-site requests may have no Origin; browsers still send Sec-Fetch-Site.
        cross_site = headers.get(b"sec-fetch-site") == b"cross-site" and scope.get("method") != "GET"
        if _host_name(host) not in self._hosts:
            name = _host_name(host)[:80]
            hint = "If the name is correct, add it to PARLEY_ALLOWED_HOSTS."
            await _refuse(send, f"This server does not answer to the name {name!r}. {hint}")
        elif foreign or cross_site:
            await _refuse(send, "Requests from pages of other sites are refused.")
        else:
            await self._app(scope, receive, send)


class BodyLimit:
    """413 for bodies over `max_bytes`, by Content-Length or while they are read."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._max:
            await self._too_large(send)
            return
        body, more = bytearray(), scope["method"] in ("POST", "PUT", "PATCH", "DELETE")
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max:
                await self._too_large(send)
                return
        first = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, replay, send)

    async def _too_large(self, send: Send) -> None:
        limit = f"{self._max / 1e6:.3g} MB"
        await _respond(send, 413, error_body("body_too_large", f"This request is too large: the limit is {limit}."))


def _host_name(host: str) -> str:
    """The host name in a Host header, without the port; IPv6 without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


async def _refuse(send: Send, message: str) -> None:
    await _respond(send, 403, error_body("forbidden", message))


async def _respond(send: Send, status: int, body: dict[str, object]) -> None:
    raw = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(raw)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
