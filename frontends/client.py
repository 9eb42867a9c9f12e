"""HTTP client for Parley's API, used by front ends that run on the server.

    client = ParleyClient("http://127.0.0.1:8000")
    async for event in client.events(conversation_id):
        print(event.name, event.data)

Each route of ``/api`` is one method; the results are the API's own JSON, described in docs/api.md. Every failure is an
:class:`ApiError` with the API's code, so that it can be translated.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal
from urllib.parse import quote

import httpx

from frontends.server_events import ServerEvent, parse_events

Json = dict[str, Any]

FORWARDED = ("cookie", "authorization", "accept-language")  # the caller's headers that are forwarded
SILENCE_S = 60.0  # an event stream silent for longer than this (four heartbeats) has lost its server
_USUAL_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_MODEL_TIMEOUT = httpx.Timeout(600.0, connect=10.0)  # that load a model, ask a hub or import a file first


class ApiError(Exception):
    """The API returned an error or could not be reached. `status` is 0 when there was no response."""

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Json = dict(details or {})
        self.status = status

    def payload(self) -> Json:
        """The API's JSON error object."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


class ParleyClient:
    """Calls the API at `base_url`, which may be a function when the port isn't known yet."""

    def __init__(self, base_url: str | Callable[[], str], *, headers: Mapping[str, str] | None = None) -> None:
        self._base_url = base_url
        self._headers = dict(headers or {})
        # Each open page holds a connection of its own, so their number isn't limited here. The API runs on the
        # same machine: proxies from the environment are ignored, and compression would only cost time.
        self._http = httpx.AsyncClient(
            headers={"Accept-Encoding": "identity"},
            timeout=_USUAL_TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,
        )

    def on_behalf_of(self, headers: Mapping[str, str]) -> ParleyClient:
        """A client that shares this one's connections and forwards a caller's cookie, authorization and language."""
        client = object.__new__(ParleyClient)
        client._base_url, client._http = self._base_url, self._http
        client._headers = self._headers | {name: headers[name] for name in FORWARDED if name in headers}
        return client

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def info(self) -> Json:
        """Version, user, languages, rating reasons, defaults."""
        return await self._json("GET", "/api/info")

    # --- conversations ------------------------------------------------------------------------------

    async def conversations(self, *, query: str = "", limit: int = 50, cursor: str | None = None) -> Json:
        """A page of the list or of search results: ``items`` and ``next_cursor``."""
        parameters = {"q": query or None, "limit": limit, "cursor": cursor}
        return await self._json("GET", "/api/conversations", params=_given(parameters))

    async def create_conversation(self, values: Mapping[str, Any] | None = None) -> Json:
        """Create one: ``title``, ``model_id``, ``system_prompt``, ``sampling``, all optional."""
        return await self._json("POST", "/api/conversations", body=values or {})

    async def conversation(self, conversation_id: str) -> Json:
        """One with its whole tree of ``messages``."""
        return await self._json("GET", _path("conversations", conversation_id))

    async def update_conversation(self, conversation_id: str, changes: Mapping[str, Any]) -> Json:
        """Change title, model, system prompt, sampling, pin or leaf."""
        return await self._json("PATCH", _path("conversations", conversation_id), body=changes)

    async def delete_conversation(self, conversation_id: str) -> None:
        """Move it to the trash."""
        await self._call("DELETE", _path("conversations", conversation_id))

    async def restore_conversation(self, conversation_id: str) -> Json:
        """Restore it from the trash."""
        return await self._json("POST", _path("conversations", conversation_id, "restore"))

    async def export_conversation(self, conversation_id: str, format: Literal["markdown", "json"] = "markdown") -> str:  # noqa: A002 - the API's word
        """The shown path as Markdown, or the whole tree as JSON text that can be imported."""
        path = _path("conversations", conversation_id, "export")
        return (await self._call("GET", path, params={"format": format})).text

    async def export_all(self) -> AsyncGenerator[bytes, None]:
        """All conversations as a zip archive, piece by piece."""
        url = self._url("/api/conversations/export")
        try:
            async with self._http.stream("GET", url, headers=self._headers) as response:
                if response.is_error:
                    await response.aread()
                    raise _refusal(response)
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.HTTPError as error:
            raise _unreachable() from error

    async def import_file(self, content: bytes) -> Json:
        """Import the chats in a file (JSON, JSON Lines or zip); returns the newest, with a ``report`` about all."""
        return await self._json("POST", "/api/conversations/import", content=content, timeout=_MODEL_TIMEOUT)

    # --- messages -----------------------------------------------------------------------------------

    async def send(
        self,
        conversation_id: str,
        parent_id: str | None,
        content: str,
        *,
        model_id: str | None = None,
        sampling: Mapping[str, Any] | None = None,
    ) -> Json:
        """Ask a question below `parent_id`; returns ``question`` and the running ``reply``."""
        body = {"parent_id": parent_id, "content": content, "model_id": model_id, "sampling": sampling}
        return await self._json(
            "POST", _path("conversations", conversation_id, "messages"), body=body, timeout=_MODEL_TIMEOUT
        )

    async def edit(
        self,
        message_id: str,
        content: str,
        *,
        model_id: str | None = None,
        sampling: Mapping[str, Any] | None = None,
    ) -> Json:
        """Add a new version of a question as a sibling of the old one; returns the same as :meth:`send`."""
        body = {"content": content, "model_id": model_id, "sampling": sampling}
        return await self._json("POST", _path("messages", message_id, "edit"), body=body, timeout=_MODEL_TIMEOUT)

    async def regenerate(
        self, message_id: str, *, model_id: str | None = None, sampling: Mapping[str, Any] | None = None
    ) -> Json:
        """Generate another ``reply`` to the same question."""
        body = {"model_id": model_id, "sampling": sampling}
        return await self._json("POST", _path("messages", message_id, "regenerate"), body=body, timeout=_MODEL_TIMEOUT)

    async def continue_reply(self, message_id: str) -> Json:
        """Continue a reply that was cut off: a new ``reply`` that begins with its text."""
        return await self._json("POST", _path("messages", message_id, "continue"), timeout=_MODEL_TIMEOUT)

    async def stop(self, message_id: str) -> Json:
        """Stop a running reply; its text so far is kept."""
        return await self._json("POST", _path("messages", message_id, "stop"))

    async def rate(self, message_id: str, rating: Mapping[str, Any]) -> Json:
        """Rate a reply: ``verdict``, ``reasons``, ``comment``, ``score``."""
        return await self._json("PUT", _path("messages", message_id, "rating"), body=rating)

    # --- models -------------------------------------------------------------------------------------

    async def models(self) -> Json:
        """All models with state, size and fit, and this machine's memory."""
        return await self._json("GET", "/api/models")

    async def model(self, model_id: str) -> Json:
        """One model, as in the list."""
        return await self._json("GET", _path("models", model_id))

    async def pull_model(self, model_id: str) -> None:
        """Start downloading a listed model."""
        await self._call("POST", _path("models", model_id, "pull"))

    async def pull_by_name(self, source: str) -> Json:
        """Start downloading any model of the hub, ``hub:OWNER/NAME[:FILE][@REVISION]``; returns its ``id``."""
        return await self._json("POST", "/api/models/pull", body={"source": source}, timeout=_MODEL_TIMEOUT)

    async def cancel_pull(self, model_id: str) -> None:
        """Stop the download."""
        await self._call("DELETE", _path("models", model_id, "pull"))

    async def load_model(self, model_id: str) -> None:
        """Load it into memory; returns once it is ready."""
        await self._call("POST", _path("models", model_id, "load"), timeout=_MODEL_TIMEOUT)

    async def unload_model(self, model_id: str) -> None:
        """Free its memory."""
        await self._call("POST", _path("models", model_id, "unload"))

    # --- events -------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open_events(
        self, conversation_id: str, last_event_id: str | None = None
    ) -> AsyncGenerator[AsyncGenerator[ServerEvent, None], None]:
        """The conversation's events. Raises :class:`ApiError` on entry; leaving closes the connection at once."""
        resume = {"last-event-id": last_event_id} if last_event_id else {}
        async with self._stream(_path("conversations", conversation_id, "events"), resume) as events:
            yield events

    async def events(self, conversation_id: str, last_event_id: str | None = None) -> AsyncGenerator[ServerEvent, None]:
        """Like :meth:`open_events`, as one generator; comment lines are ``heartbeat`` events."""
        async with self.open_events(conversation_id, last_event_id) as events:
            async for event in events:
                yield event

    async def model_events(self) -> AsyncGenerator[ServerEvent, None]:
        """The list of models as one event, then its changes; comment lines are ``heartbeat`` events."""
        async with self._stream("/api/models/events", {}) as events:
            async for event in events:
                yield event

    # --- requests -----------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        base = self._base_url if isinstance(self._base_url, str) else self._base_url()
        return base.rstrip("/") + path

    @asynccontextmanager
    async def _stream(
        self, path: str, headers: Mapping[str, str]
    ) -> AsyncGenerator[AsyncGenerator[ServerEvent, None], None]:
        all_headers = {**self._headers, "accept": "text/event-stream", **headers}
        timeout = httpx.Timeout(10.0, read=SILENCE_S)
        try:
            async with self._http.stream("GET", self._url(path), headers=all_headers, timeout=timeout) as response:
                if response.is_error:
                    await response.aread()
                    raise _refusal(response)
                async with aclosing(_with_api_errors(parse_events(response.aiter_bytes()))) as events:
                    yield events
        except httpx.HTTPError as error:
            raise _unreachable() from error

    async def _json(self, method: str, path: str, **call: Any) -> Json:
        """Like :meth:`_call`, but returns the response's JSON object."""
        response = await self._call(method, path, **call)
        try:
            found = response.json()
        except ValueError:
            raise _unexpected(response) from None
        return found if isinstance(found, dict) else {}

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: Json | None = None,
        body: object = None,
        content: bytes | None = None,
        timeout: httpx.Timeout = _USUAL_TIMEOUT,
    ) -> httpx.Response:
        url = self._url(path)
        try:
            response = await self._http.request(
                method, url, params=params, json=body, content=content, headers=self._headers, timeout=timeout
            )
        except httpx.HTTPError as error:
            raise _unreachable() from error
        if response.is_error:
            raise _refusal(response)
        return response


def _path(*segments: str) -> str:
    """The path ``/api/…`` with each segment percent-encoded."""
    return "/api/" + "/".join(quote(segment, safe="") for segment in segments)


def _given(parameters: Json) -> Json:
    return {name: value for name, value in parameters.items() if value is not None}


def _refusal(response: httpx.Response) -> ApiError:
    try:
        error = response.json()["error"]
        return ApiError(error["code"], error["message"], error.get("details"), response.status_code)
    except (ValueError, KeyError, TypeError):
        return _unexpected(response)


def _unexpected(response: httpx.Response) -> ApiError:
    return ApiError("unexpected_answer", f"The server answered {response.status_code}.", None, response.status_code)


def _unreachable() -> ApiError:
    return ApiError("unreachable", "The server does not answer. It may be restarting: try again in a moment.")


async def _with_api_errors(events: AsyncGenerator[ServerEvent, None]) -> AsyncGenerator[ServerEvent, None]:
    """Pass the events through; raise what breaks the stream as an :class:`ApiError`."""
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    except httpx.HTTPError as error:
        raise _unreachable() from error
    except ValueError as error:
        raise ApiError("unexpected_answer", f"The server sent no events: {error}.") from error
