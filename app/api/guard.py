"""ASGI middleware before every route: Host and Origin checks, body size limit, security headers, a proxy's sub-path.

Why Host and Origin are checked: without a login, any web page open in the user's browser could otherwise reach the
server on their machine (DNS rebinding, cross-site requests).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import error_body
from app.api.refusals import refuse, respond
from app.config import LOOPBACK_HOSTS
from app.errors import BodyTooLarge

UNKNOWN_HOST = (
    "This server does not answer to the name '{name}'. If the name is correct, start Parley with "
    "PARLEY_ALLOWED_HOSTS={name}"
)
UNKNOWN_HOST_ZH = "此服务器不接受主机名“{name}”。如果名称无误，请在启动 Parley 时设置 PARLEY_ALLOWED_HOSTS={name}"
FOREIGN = (
    "Requests from pages of other sites are refused. If this is Parley's own page behind a reverse proxy, start Parley "
    "with the page's host name in PARLEY_ALLOWED_HOSTS."
)
FOREIGN_ZH = (
    "已拒绝来自其他网站页面的请求。如果这是反向代理后面的 Parley 页面，请在启动 Parley 时把该页面的主机名加入 "
    "PARLEY_ALLOWED_HOSTS。"
)

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
    (b"cross-origin-resource-policy", b"same-origin"),
)
_PRIVATE = ("/api/", "/v1/", "/ui/")
_FROM_ELSEWHERE = ("/", "/login/oidc/callback")
_EMPTY = (b"content-length", b"0")
_NO_STORE = (b"cache-control", b"no-store")


class SecurityHeaders:
    """Adds the security headers that a response lacks, and ``no-store`` to private ones that leave caching open."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                there = {name.lower() for name, _ in headers}
                more = (*_HEADERS, _NO_STORE) if scope["path"].startswith(_PRIVATE) else _HEADERS
                message["headers"] = headers + [header for header in more if header[0] not in there]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class RootPath:
    """Serves the application below `path` (such as ``/chat``) too: a reverse proxy may pass the whole path on."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and self._path:
            if scope["path"] == self._path:  # the page's own addresses are relative to its folder
                query = b"?" + scope["query_string"] if scope["query_string"] else b""
                location = (b"location", f"{self._path.rpartition('/')[2]}/".encode() + query)
                await send({"type": "http.response.start", "status": 307, "headers": [location, _EMPTY]})
                await send({"type": "http.response.body"})
                return
            if scope["path"].startswith(f"{self._path}/"):
                scope = {**scope, "path": scope["path"].removeprefix(self._path), "root_path": ""}
                scope["raw_path"] = scope["raw_path"].removeprefix(self._path.encode())
        await self._app(scope, receive, send)


class HostAndOriginCheck:
    """403 unless Host is an allowed name and the request does not come from another site's page.

    A browser names the page's origin in Origin (not for a GET) and its relation to us in Sec-Fetch-Site. Pages of other
    ports of the same host are foreign too: any local program may serve one. They may only link to the page.

    A reverse proxy may replace Host by our address, or leave out the port. Then the origin is ours if its name is one
    of ours and the browser says that it is the same site, which a page can't pretend; over plain HTTP to another
    machine browsers don't say it, and the names in `proxies` suffice. `cors_origins` may use ``/v1`` and nothing else.

    With `own_names`, of a server that other machines reach, any IP address is allowed too: rebinding needs a name.
    """

    def __init__(
        self,
        app: ASGIApp,
        proxies: Iterable[str],
        own_names: Collection[str] = (),
        cors_origins: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._proxies, self._cors_origins = frozenset(proxies), frozenset(cors_origins)
        self._hosts = self._proxies.union(LOOPBACK_HOSTS, own_names)
        self._any_address = bool(own_names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        name = _host_name(hosts[0]) if hosts else ""
        if len(hosts) > 1 or len(origins) > 1:
            await refuse(scope, send, "A request must name one Host, and at most one Origin.")
        elif not self._is_known(name):
            await refuse(scope, send, UNKNOWN_HOST.format(name=name[:80]), UNKNOWN_HOST_ZH.format(name=name[:80]))
        elif not (self._is_own(scope, hosts[0], origins) or self._is_listed(scope, origins) or _opens_page(scope)):
            await refuse(scope, send, FOREIGN, FOREIGN_ZH)
        else:
            await self._app(scope, receive, send)

    def _is_known(self, name: str) -> bool:
        return name in self._hosts or (self._any_address and _is_address(name))

    def _is_own(self, scope: Scope, host: str, origins: list[str]) -> bool:
        """Whether a request comes from our own page, from the address bar or from a program that is no browser."""
        sites = _values(scope, b"sec-fetch-site")
        if not {"same-origin", "none"}.issuperset(sites):
            return False
        # Behind a proxy that decrypts, the browser's https is our http. Origin is never "null" for our page.
        own = {f"{scope['scheme']}://{host}", f"https://{host}"}
        names = self._hosts if sites == ["same-origin"] else self._proxies
        return all(origin in own or _origin_name(origin) in names for origin in origins)

    def _is_listed(self, scope: Scope, origins: list[str]) -> bool:
        """Whether it is a request to the OpenAI-compatible API from an origin in the settings."""
        return scope["path"].startswith("/v1/") and self._cors_origins.issuperset(origins) and bool(origins)


def own_names() -> tuple[str, ...]:
    """The names under which other machines find this one in its network."""
    name = socket.gethostname().lower()
    return (name, f"{name.partition('.')[0]}.local")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _origin_name(origin: str) -> str:
    """The host name in an Origin header; empty unless it is a web page's."""
    found = re.fullmatch(r"https?://([\w.-]+|\[[0-9a-f:.]+\])(:\d+)?", origin)
    return found[1].strip("[]") if found else ""


def _opens_page(scope: Scope) -> bool:
    """Whether a browser opens a page in a tab by a link elsewhere, or comes back from signing in elsewhere."""
    fetch = [_values(scope, name) for name in (b"sec-fetch-mode", b"sec-fetch-dest", b"origin")]
    is_page = scope["path"] in _FROM_ELSEWHERE or scope["path"].startswith("/shared/")
    return scope.get("method") == "GET" and is_page and fetch == [["navigate"], ["document"], []]


def _values(scope: Scope, name: bytes) -> list[str]:
    """The values of a header, one for each time it was sent, in lower case."""
    return [value.decode("latin-1").lower() for key, value in scope["headers"] if key == name]


def cors(origins: Iterable[str]) -> dict[str, Any]:
    """Options of Starlette's CORS middleware for pages of `origins`. No cookies: keys come in a header."""
    methods = ("GET", "HEAD", "POST", "OPTIONS")
    return {
        "allow_origins": list(origins),
        "allow_methods": methods,
        "allow_headers": ["*"],
        "allow_private_network": True,
    }


class BodyLimit:
    """413 for bodies over `max_bytes`, by Content-Length or while they are read.

    The routes at the paths in `streamed` read their body piece by piece and have limits of their own: what arrives
    after the limit reaches them as :class:`~app.errors.BodyTooLarge`.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, streamed: Mapping[str, int] | None = None) -> None:
        self._app, self._max, self._streamed = app, max_bytes, dict(streamed or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_streamed = scope["method"] == "POST" and scope["path"] in self._streamed
        limit = self._streamed[scope["path"]] if is_streamed else self._max
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit:
            error = BodyTooLarge.over(limit)
            await respond(send, 413, error_body(error.code, error.message, error.details))
        elif is_streamed:
            await self._app(scope, _counted(receive, limit), send)
        else:
            await self._buffered(scope, receive, send)

    async def _buffered(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = bytearray(), scope["method"] in ("POST", "PUT", "PATCH", "DELETE")
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max:
                error = BodyTooLarge.over(self._max)
                await respond(send, 413, error_body(error.code, error.message, error.details))
                return
        first = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, replay, send)


def _counted(receive: Receive, limit: int) -> Receive:
    """`receive`, which raises :class:`~app.errors.BodyTooLarge` once more than `limit` bytes have come."""
    left = limit

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise BodyTooLarge.over(limit)
        return message

    return counted


def _host_name(host: str) -> str:
    """The host name in a Host header, without the port; IPv6 without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host
