"""The files of the login page: few and small, read once, found again by their checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from frontends.view.styles import ICON, sheet, theme_script

_FOLDER = Path(__file__).parent
_SCRIPTS = ("login.js", "forms.js", "texts.js", "next_address.js")
_REVALIDATE = "no-cache"


class LoginFiles:
    """All files by name; ``""`` is the page."""

    def __init__(self) -> None:
        styles = sheet("tokens") + _read("login.css")
        self._files = {
            "": (_read("login.html"), "text/html"),
            "icon.svg": (ICON.read_text(encoding="utf-8"), "image/svg+xml"),
            "login.css": (styles, "text/css"),
            "theme.js": (theme_script(), "text/javascript"),
            **{name: (_read(name), "text/javascript") for name in _SCRIPTS},
        }

    def routes(self) -> list[Route]:
        """``/login`` and ``/login/{name}``."""
        return [Route("/login", self.serve), Route("/login/{name}", self.serve)]

    async def serve(self, request: Request) -> Response:
        """A file, or 304 if the browser has it."""
        found = self._files.get(request.path_params.get("name", ""))
        if found is None:
            return Response(status_code=404)
        text, kind = found
        headers = {"ETag": f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"', "Cache-Control": _REVALIDATE}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(text, media_type=kind, headers=headers)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
