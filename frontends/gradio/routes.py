"""The page's own server side, mounted at ``/ui``: static files, and the API's answers with HTML in them.

    GET /conversations/{id}           a conversation; every message carries ``html``
    GET /conversations/{id}/events    its events; ``render`` (changed blocks) in place of ``delta``
    GET /static/{file}                scripts and styles

It asks the API over HTTP with the caller's own cookie, so it needs no rights of its own.
"""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from os import PathLike, stat_result
from pathlib import Path

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from frontends.client import ApiError, ParleyClient
from frontends.gradio.relay import Relay
from frontends.gradio.renderings import Renderings
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
_NO_STORE = {"Cache-Control": "no-store"}
_REVALIDATE = {"Cache-Control": "no-cache"}


def create_routes(client: ParleyClient, renderings: Renderings | None = None) -> Starlette:
    """The ASGI application. Whoever made `client` closes it."""
    ui = UiRoutes(client, renderings or Renderings())
    return Starlette(
        routes=[
            Route("/conversations/{conversation_id}", ui.conversation),
            Route("/conversations/{conversation_id}/events", ui.events),
            Route("/static/highlight.css", ui.highlight),
            Mount("/static", RevalidatedFiles(directory=STATIC)),
        ]
    )


class UiRoutes:
    """The handlers, with what they share."""

    def __init__(self, client: ParleyClient, renderings: Renderings) -> None:
        self._client = client
        self._renderings = renderings
        self._css = highlight_css().encode()
        self._css_headers = _REVALIDATE | {"ETag": f'"{hashlib.sha256(self._css).hexdigest()[:32]}"'}

    async def conversation(self, request: Request) -> Response:
        """The whole tree, rendered."""
        try:
            found = await self._client.on_behalf_of(request.headers).conversation(_id(request))
        except ApiError as error:
            return _refusal(error)
        messages = await self._renderings.all_with_html(found["messages"])
        return JSONResponse(found | {"messages": messages}, headers=_NO_STORE)

    async def events(self, request: Request) -> Response:
        """The events, for as long as the browser stays."""
        last = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
        return EventStream(self._client.on_behalf_of(request.headers), _id(request), last, self._renderings)

    async def highlight(self, request: Request) -> Response:
        """The colours of code."""
        if request.headers.get("if-none-match") == self._css_headers["ETag"]:
            return Response(status_code=304, headers=self._css_headers)
        return Response(self._css, media_type=MEDIA_TYPES[".css"], headers=self._css_headers)


class EventStream(Response):
    """Server-sent events from the API to the browser; when one of them goes away, so does the other."""

    def __init__(
        self, client: ParleyClient, conversation_id: str, last_event_id: str | None, renderings: Renderings
    ) -> None:
        super().__init__(media_type="text/event-stream", headers=_NO_STORE | {"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._open = client.open_events(conversation_id, last_event_id)
        self._relay = Relay(client, conversation_id, renderings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. A refusal of the API becomes ours, with its status."""
        try:
            async with self._open as events, anyio.create_task_group() as tasks:
                tasks.start_soon(self._relay.read, events)
                tasks.start_soon(_until_disconnect, receive, tasks.cancel_scope)
                await self._write(send)
                tasks.cancel_scope.cancel()
        except ApiError as error:
            await _refusal(error)(scope, receive, send)

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._relay.lines()) as lines:
            async for chunk in lines:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


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


async def _until_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _id(request: Request) -> str:
    return str(request.path_params["conversation_id"])


def _refusal(error: ApiError) -> JSONResponse:
    return JSONResponse(error.payload(), status_code=error.status or 503, headers=_NO_STORE)
