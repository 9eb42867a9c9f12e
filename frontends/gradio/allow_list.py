"""ASGI application in front of Gradio that passes on only what our page requests.

Gradio's other routes fetch addresses that a visitor names (``/gradio_api/file=``, a `FileData` with a URL), keep
uploads and write files. The page uses none of them: it needs its HTML, the theme and the files of Gradio's own scripts.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

_PAGES = ("/", "/theme.css")
_FOLDERS = ("assets", "static")
# No cookies, no Origin, no X-Forwarded-*, from which Gradio would build addresses: a proxy's scheme is in the scope.
_HEADERS = (b"host", b"accept", b"accept-encoding", b"if-none-match", b"if-modified-since")


def page_paths() -> frozenset[str]:
    """The paths that the page may request from Gradio: itself, the theme, and each file of Gradio's scripts."""
    root = Path(str(files("gradio"))) / "templates" / "frontend"
    found = (path for folder in _FOLDERS for path in (root / folder).rglob("*") if path.is_file())
    return frozenset((*_PAGES, *(f"/{path.relative_to(root).as_posix()}" for path in found)))


class AllowList:
    """Passes a GET of one of `paths` to `app`, without its query and most headers. Everything else is a 404."""

    def __init__(self, app: ASGIApp, paths: Iterable[str]) -> None:
        self._app, self._paths = app, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Raises :class:`HTTPException`, so that the outer application answers as it does to any unknown path."""
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD") or scope["path"] not in self._paths:
            raise HTTPException(404)
        await self._app(_stripped(scope), receive, send)


def _stripped(scope: Scope) -> Scope:
    headers = [(name, value) for name, value in scope["headers"] if name in _HEADERS]
    return {**scope, "raw_path": scope["path"].encode(), "query_string": b"", "headers": headers}
