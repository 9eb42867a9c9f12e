"""Responses that are sent before any route is reached: JSON for programs, a small page for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from starlette.types import Scope, Send

from app.api.errors import error_body

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Parley</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 15vh auto; padding: 0 1rem;
color-scheme: light dark; }}</style></head>
<body><h1>Parley</h1><p>{message}</p><p lang="zh">{chinese}</p></body></html>
"""


async def refuse(scope: Scope, send: Send, message: str, chinese: str = "") -> None:
    """Send a 403 with `message`; a browser that opens a page gets it as a page, with the Chinese text below."""
    accepts = b"".join(value for name, value in scope["headers"] if name == b"accept")
    if scope.get("method") == "GET" and b"text/html" in accepts:
        page = _PAGE.format(message=escape(message), chinese=escape(chinese))
        await _send(send, 403, b"text/html; charset=utf-8", page.encode())
    else:
        await respond(send, 403, error_body("forbidden", message))


async def respond(send: Send, status: int, body: dict[str, object], more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """Send `body` as JSON with `more` headers, and close the connection."""
    await _send(send, status, b"application/json", json.dumps(body).encode(), more)


async def _send(send: Send, status: int, kind: bytes, raw: bytes, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(raw)).encode()), (b"connection", b"close"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
