"""The addresses of shared conversations.

    GET  /shared/{token}              the page, or the question for its passcode
    POST /shared/{token}              the page, with a passcode
    POST /shared/{token}/chat.json    the conversation as a file
    GET  /shared/static/{name}        style sheet and script

They read ``POST /api/shared``. Nothing of it may be cached or indexed, and no script but ours runs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from frontends.client import ApiError, Json, ParleyClient
from frontends.view.renderings import Renderings
from frontends.view.shared.download import chat_json
from frontends.view.shared.html import SharedHtml
from frontends.view.shared.texts import Texts, texts_for
from frontends.view.styles import sheet, theme_script

_FOLDER = Path(__file__).parent
_SHEETS = ("tokens", "markdown", "formulas", "highlight")
_PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_ASKS_AGAIN = ("passcode_needed", "wrong_password")
_MAX_FORM_BYTES = 2_000


def create_routes(client: ParleyClient, renderings: Renderings) -> list[Route]:
    """The routes, to be mounted at ``/shared``."""
    page = SharedPage(client, renderings)
    return [
        Route("/static/{name}", page.static),
        Route("/{token}", page.show, methods=["GET", "POST"]),
        Route("/{token}/chat.json", page.download, methods=["POST"]),
    ]


class SharedPage:
    """The handlers and their files."""

    def __init__(self, client: ParleyClient, renderings: Renderings) -> None:
        self._client, self._renderings = client, renderings
        styles = "\n".join([*map(sheet, _SHEETS), (_FOLDER / "shared.css").read_text(encoding="utf-8")])
        script = theme_script()
        self._sheet, self._script = _named("shared", "css", styles), _named("theme", "js", script)
        self._files = {self._sheet: (styles, "text/css"), self._script: (script, "text/javascript")}
        self._html = SharedHtml(self._sheet, self._script)

    async def show(self, request: Request) -> Response:
        """The conversation."""
        texts, token, passcode = _asked(request), str(request.path_params["token"]), await _passcode(request)
        try:
            shared = await self._opened(request, token, passcode)
        except ApiError as error:
            return self._refusal(texts, error)
        htmls = [await self._renderings.html_of(message["role"], message["content"]) for message in shared["messages"]]
        page = self._html.conversation(texts, shared, htmls, token=token, passcode=passcode)
        return HTMLResponse(page, headers=_PRIVATE)

    async def download(self, request: Request) -> Response:
        """The conversation as a file."""
        texts, token = _asked(request), str(request.path_params["token"])
        try:
            shared = await self._opened(request, token, await _passcode(request))
        except ApiError as error:
            return self._refusal(texts, error)
        headers = _PRIVATE | {"Content-Disposition": 'attachment; filename="conversation.json"'}
        return Response(chat_json(shared), media_type="application/json", headers=headers)

    async def static(self, request: Request) -> Response:
        """Style sheet and script."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response(status_code=404)
        return Response(found[0], media_type=found[1], headers=_FOR_EVER)

    async def _opened(self, request: Request, token: str, passcode: str) -> Json:
        return await self._client.on_behalf_of(request).open_share(token, passcode or None)

    def _refusal(self, texts: Texts, error: ApiError) -> Response:
        text = texts.get(error.code, texts["failed"]).format_map(_Known(error.details))
        asks_again = error.code in _ASKS_AGAIN
        page = self._html.passcode(texts, text) if asks_again else self._html.sentence(texts, text)
        # A browser would ask for a login of its own at a 401.
        status = 403 if asks_again else error.status or 503
        return HTMLResponse(page, status_code=status, headers=_PRIVATE)


class _Known(dict[str, object]):
    """Details for a text; what is missing is left out."""

    def __missing__(self, name: str) -> str:
        return "…"


def _asked(request: Request) -> Texts:
    return texts_for(request.headers.get("accept-language", ""))


async def _passcode(request: Request) -> str:
    """The passcode in a form; ``""`` if there is none."""
    if request.method != "POST":
        return ""
    fields = parse_qs((await request.body())[:_MAX_FORM_BYTES].decode("utf-8", "replace"))
    return fields.get("passcode", [""])[0]


def _named(name: str, suffix: str, text: str) -> str:
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.{suffix}"
