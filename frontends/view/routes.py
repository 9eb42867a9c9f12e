"""Routes that serve conversations and their events to a page, with HTML added.

    GET /conversations/{id}           a conversation; every message carries ``html``
    GET /conversations/{id}/events    its events; ``render`` (changed blocks) in place of ``delta``

They call the API over HTTP with the caller's own cookie, so they need no access rights of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from frontends.client import ApiError, ParleyClient
from frontends.server_events import ServerEvent
from frontends.view.relay import Relay
from frontends.view.render_process import RenderProcess
from frontends.view.rendered_replies import RenderedReplies
from frontends.view.renderings import Renderings

_NO_STORE = {"Cache-Control": "no-store"}


def create_routes(client: ParleyClient, process: RenderProcess, renderings: Renderings) -> list[Route]:
    """The routes, to be mounted by a page. The caller closes `client` and `process`."""
    conversations = RenderedConversations(client, process, renderings)
    return [
        Route("/conversations/{conversation_id}", conversations.show),
        Route("/conversations/{conversation_id}/events", conversations.watch),
    ]


class RenderedConversations:
    """The handlers and their shared state."""

    def __init__(self, client: ParleyClient, process: RenderProcess, renderings: Renderings) -> None:
        self._client = client
        self._renderings = renderings
        self._replies = RenderedReplies(process)

    async def show(self, request: Request) -> Response:
        """A conversation with its whole tree of messages."""
        try:
            found = await self._client.on_behalf_of(request).conversation(_id(request))
        except ApiError as error:
            return _refusal(error)
        messages = await self._renderings.all_with_html(found["messages"])
        return JSONResponse(found | {"messages": messages}, headers=_NO_STORE)

    async def watch(self, request: Request) -> Response:
        """Its events, until the browser disconnects."""
        last = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
        events = self._client.on_behalf_of(request).open_events(_id(request), last)
        return EventStream(events, Relay(self._renderings, self._replies))


class EventStream(Response):
    """Server-sent events from the API to the browser; when either side disconnects, both connections close."""

    def __init__(self, events: AbstractAsyncContextManager[AsyncIterator[ServerEvent]], relay: Relay) -> None:
        super().__init__(media_type="text/event-stream", headers=_NO_STORE | {"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._open = events
        self._relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. An error of the API is returned with its status."""
        try:
            async with self._open as events, anyio.create_task_group() as tasks:
                tasks.start_soon(self._relay.read, events)
                tasks.start_soon(_until_disconnect, receive, tasks.cancel_scope)
                await self._write(send)
                tasks.cancel_scope.cancel()
        except ApiError as error:
            await _refusal(error)(scope, receive, send)
        finally:
            self._relay.close()

    async def _write(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._relay.lines()) as lines:
            async for chunk in lines:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _until_disconnect(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _id(request: Request) -> str:
    return str(request.path_params["conversation_id"])


def _refusal(error: ApiError) -> JSONResponse:
    return JSONResponse(error.payload(), status_code=error.status or 503, headers=_NO_STORE)
