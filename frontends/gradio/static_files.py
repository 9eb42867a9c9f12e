"""Serves the page's scripts and style sheets."""

from __future__ import annotations

import hashlib
from os import PathLike, stat_result
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from frontends.render import highlight_css

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {  # the system's own table is wrong on some machines, and a module with a wrong type doesn't run
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_REVALIDATE = {"Cache-Control": "no-cache"}


def create_routes() -> list[BaseRoute]:
    """The routes of ``/static/…``, the colours of code among them."""
    return [
        Route("/static/highlight.css", HighlightStyles().serve),
        Mount("/static", RevalidatedFiles(directory=STATIC)),
    ]


class HighlightStyles:
    """The colours of code, as a style sheet."""

    def __init__(self) -> None:
        self._css = highlight_css().encode()
        self._headers = _REVALIDATE | {"ETag": f'"{hashlib.sha256(self._css).hexdigest()[:32]}"'}

    async def serve(self, request: Request) -> Response:
        """The sheet, or 304."""
        if request.headers.get("if-none-match") == self._headers["ETag"]:
            return Response(status_code=304, headers=self._headers)
        return Response(self._css, media_type=MEDIA_TYPES[".css"], headers=self._headers)


class RevalidatedFiles(StaticFiles):
    """Files that the browser keeps but asks about each time: 304 unless they changed."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """One file, or 304."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_REVALIDATE)
        media_type = MEDIA_TYPES.get(Path(full_path).suffix)
        if isinstance(response, FileResponse) and media_type:
            response.headers["content-type"] = media_type
        return response
