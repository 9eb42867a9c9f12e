"""Parley's HTTP API from Python: what every front end that runs on the server side speaks.

    client = ParleyClient("http://127.0.0.1:8000")
    async for event in client.events(conversation_id):
        print(event.name, event.data)

It knows only HTTP and imports nothing of the application. Answers are the API's own JSON, described in
docs/api.md; whatever goes wrong is an :class:`ApiError` with the API's code, so that it can be translated.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

Json = dict[str, Any]

FORWARDED = ("cookie", "authorization", "accept-language")  # a caller's headers that are passed on with its calls
HEARTBEAT = "heartbeat"  # ServerEvent.name of a comment line: the server is still there
SILENCE_S = 60.0  # an event stream that is silent for longer (four heartbeats) has lost its server
_EVENT_LIMIT = 64 * 2**20  # bytes of one event


class ApiError(Exception):
    """The API refused or could not be reached. `status` is 0 when there was no answer."""

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Json = dict(details or {})
        self.status = status

    def payload(self) -> Json:
        """The one error shape, as the API writes it."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event."""

    id: str | None
    name: str
    data: Json = field(default_factory=dict)


class ParleyClient:
    """Calls the API at `base_url`, which may be a function when the port isn't known yet."""

    def __init__(self, base_url: str | Callable[[], str], *, headers: Mapping[str, str] | None = None) -> None:
        self._base_url = base_url
        self._headers = dict(headers or {})
        # Each open page holds a connection of its own, so their number isn't limited here. The API is ours
        # and near: no proxy from the environment may come between.
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(30.0, connect=10.0),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,
        )

    def on_behalf_of(self, headers: Mapping[str, str]) -> ParleyClient:
        """A client that shares this one's connections and passes on a caller's cookie and language."""
        twin = object.__new__(ParleyClient)
        twin._base_url, twin._http = self._base_url, self._http
        twin._headers = self._headers | {name: headers[name] for name in FORWARDED if name in headers}
        return twin

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # --- conversations and messages -----------------------------------------------------------------

    async def info(self) -> Json:
        """Version, user, languages, rating reasons, defaults."""
        return await self._call("GET", "/api/info")

    async def conversations(self, *, query: str = "", limit: int = 50, cursor: str | None = None) -> Json:
        """A page of the list, or of what a search found."""
        wanted = {"q": query or None, "limit": limit, "cursor": cursor}
        return await self._call("GET", "/api/conversations", params={k: v for k, v in wanted.items() if v is not None})

    async def create_conversation(self, values: Mapping[str, Any] | None = None) -> Json:
        """Start one: ``title``, ``model_id``, ``system_prompt``, ``sampling``, all optional."""
        return await self._call("POST", "/api/conversations", body=values or {})

    async def conversation(self, conversation_id: str) -> Json:
        """One with its whole tree of ``messages``."""
        return await self._call("GET", f"/api/conversations/{_segment(conversation_id)}")

    async def update_conversation(self, conversation_id: str, changes: Mapping[str, Any]) -> Json:
        """Change title, model, system prompt, sampling, pin or leaf."""
        return await self._call("PATCH", f"/api/conversations/{_segment(conversation_id)}", body=changes)

    async def delete_conversation(self, conversation_id: str) -> None:
        """Put it in the trash."""
        await self._call("DELETE", f"/api/conversations/{_segment(conversation_id)}")

    async def send(self, conversation_id: str, parent_id: str | None, content: str, **options: Any) -> Json:
        """Ask a question; answers with ``question`` and the running ``reply``."""
        body = {"parent_id": parent_id, "content": content, **options}
        return await self._call("POST", f"/api/conversations/{_segment(conversation_id)}/messages", body=body)

    async def regenerate(self, message_id: str, **options: Any) -> Json:
        """Another reply to the same question."""
        return await self._call("POST", f"/api/messages/{_segment(message_id)}/regenerate", body=options)

    async def edit(self, message_id: str, content: str) -> Json:
        """Ask a question anew, beside the old one."""
        return await self._call("POST", f"/api/messages/{_segment(message_id)}/edit", body={"content": content})

    async def stop(self, message_id: str) -> Json:
        """End a running reply; its text so far stays."""
        return await self._call("POST", f"/api/messages/{_segment(message_id)}/stop")

    async def rate(self, message_id: str, rating: Mapping[str, Any]) -> Json:
        """Judge a reply: ``verdict``, ``reasons``, ``comment``, ``score``."""
        return await self._call("PUT", f"/api/messages/{_segment(message_id)}/rating", body=rating)

    # --- models -------------------------------------------------------------------------------------

    async def models(self) -> Json:
        """All models with state, size and fit, and this machine's memory."""
        return await self._call("GET", "/api/models")

    async def pull_model(self, model_id: str) -> None:
        """Start fetching."""
        await self._call("POST", f"/api/models/{_segment(model_id)}/pull")

    async def cancel_pull(self, model_id: str) -> None:
        """Stop fetching."""
        await self._call("DELETE", f"/api/models/{_segment(model_id)}/pull")

    # --- events -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open_events(
        self, conversation_id: str, last_event_id: str | None = None
    ) -> AsyncGenerator[AsyncGenerator[ServerEvent, None], None]:
        """The conversation's events. A refusal raises on entry; leaving closes the connection at once."""
        headers = {"accept": "text/event-stream", **({"last-event-id": last_event_id} if last_event_id else {})}
        path = f"/api/conversations/{_segment(conversation_id)}/events"
        timeout = httpx.Timeout(10.0, read=SILENCE_S)
        try:
            async with self._http.stream("GET", self._url(path), headers=self._headers | headers, timeout=timeout) as r:
                if r.is_error:
                    await r.aread()
                    raise _refusal(r)
                async with aclosing(_parse_events(r.aiter_bytes())) as events:
                    yield events
        except httpx.HTTPError as error:
            raise _unreachable() from error

    async def events(self, conversation_id: str, last_event_id: str | None = None) -> AsyncGenerator[ServerEvent, None]:
        """Like :meth:`open_events`, for callers that only loop; comment lines come as ``heartbeat``."""
        async with self.open_events(conversation_id, last_event_id) as events:
            async for event in events:
                yield event

    # --- how ----------------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        base = self._base_url if isinstance(self._base_url, str) else self._base_url()
        return base.rstrip("/") + path

    async def _call(self, method: str, path: str, *, params: Json | None = None, body: object = None) -> Json:
        try:
            answer = await self._http.request(method, self._url(path), params=params, json=body, headers=self._headers)
        except httpx.HTTPError as error:
            raise _unreachable() from error
        if answer.is_error:
            raise _refusal(answer)
        found = answer.json() if answer.content else {}
        return found if isinstance(found, dict) else {}


def _segment(value: str) -> str:
    """`value` as one segment of a path, whatever it holds."""
    return quote(value, safe="")


def _refusal(answer: httpx.Response) -> ApiError:
    try:
        error = answer.json()["error"]
        return ApiError(error["code"], error["message"], error.get("details"), answer.status_code)
    except (ValueError, KeyError, TypeError):
        return ApiError("unexpected_answer", f"The server answered {answer.status_code}.", None, answer.status_code)


def _unreachable() -> ApiError:
    return ApiError("unreachable", "The server does not answer. It may be restarting: try again in a moment.")


async def _parse_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[ServerEvent, None]:
    """Server-sent events from bytes, as the WHATWG describes them.

    Lines are cut at line feeds only: httpx's own splitter also cuts at U+2028 and its like, which may
    stand in a reply's text.
    """
    buffer = b""
    try:
        async for chunk in chunks:
            buffer += chunk
            if len(buffer) > _EVENT_LIMIT:
                raise ApiError("unexpected_answer", "The server sent an event that has no end.")
            *whole, buffer = buffer.replace(b"\r\n", b"\n").split(b"\n\n")
            for part in whole:
                if event := _event(part):
                    yield event
    except httpx.HTTPError as error:
        raise _unreachable() from error


def _event(part: bytes) -> ServerEvent | None:
    event_id, name, data, comment = None, "message", [], False
    for line in part.split(b"\n"):
        key, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if key == b"id":
            event_id = text
        elif key == b"event":
            name = text
        elif key == b"data":
            data.append(text)
        elif not key:
            comment = True
    if data:
        found = json.loads("\n".join(data))
        return ServerEvent(event_id, name, found if isinstance(found, dict) else {})
    return ServerEvent(None, HEARTBEAT) if comment else None
