"""HTTP to Parley's API: requests, event streams, and every failure as an :class:`ApiError` with the API's code."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol, Self
from urllib.parse import quote

import httpx

from frontends.server_events import ServerEvent, parse_events

Json = dict[str, Any]

FORWARDED = ("cookie", "authorization", "accept-language")  # the caller's headers that are forwarded
SILENCE_S = 60.0  # an event stream silent for longer than this (four heartbeats) has lost its server
_USUAL_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
MODEL_TIMEOUT = httpx.Timeout(600.0, connect=10.0)  # that load a model, ask a hub or import a file first


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


class Caller(Protocol):
    """Who sent a request, as Starlette tells it."""

    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102
    @property
    def url(self) -> Any: ...  # noqa: D102
    @property
    def client(self) -> Any: ...  # noqa: D102


class Transport:
    """Base class of the client. Calls the API at `base_url`, which may be a function when the port isn't known yet."""

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

    def on_behalf_of(self, caller: Caller) -> Self:
        """A client that shares this one's connections and forwards a caller's cookie, authorization and language.

        Their address and scheme too, as a reverse proxy does: limits count by address, cookies depend on the scheme.
        """
        client = object.__new__(type(self))
        client._base_url, client._http = self._base_url, self._http
        passed_on = {name: caller.headers[name] for name in FORWARDED if name in caller.headers}
        passed_on["x-forwarded-proto"] = caller.url.scheme
        if caller.client is not None:
            passed_on["x-forwarded-for"] = caller.client.host
        client._headers = self._headers | passed_on
        return client

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # --- for the methods of the client ----------------------------------------------------------------

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
                    raise refusal(response)
                async with aclosing(_with_api_errors(parse_events(response.aiter_bytes()))) as events:
                    yield events
        except httpx.HTTPError as error:
            raise unreachable() from error

    @asynccontextmanager
    async def _lines(
        self, path: str, params: Json, content: bytes | AsyncIterable[bytes]
    ) -> AsyncGenerator[AsyncGenerator[Json, None], None]:
        """Send `content`; the answer is lines, each a JSON object."""
        headers = {**self._headers, "accept": "application/x-ndjson"}
        try:
            async with self._http.stream(
                "POST", self._url(path), params=params, content=content, headers=headers, timeout=MODEL_TIMEOUT
            ) as response:
                if response.is_error:
                    await response.aread()
                    raise refusal(response)
                async with aclosing(_objects(response)) as objects:
                    yield objects
        except httpx.HTTPError as error:
            raise unreachable() from error

    async def _json(self, method: str, path: str, **call: Any) -> Json:
        """Like :meth:`_call`, but returns the response's JSON object."""
        response = await self._call(method, path, **call)
        try:
            found = response.json()
        except ValueError:
            raise _unexpected(response) from None
        return found if isinstance(found, dict) else {}

    async def _list(self, method: str, path: str) -> list[Json]:
        """Like :meth:`_call`, but returns the response's JSON array."""
        response = await self._call(method, path)
        try:
            found = response.json()
        except ValueError:
            raise _unexpected(response) from None
        return found if isinstance(found, list) else []

    async def _pieces(self, path: str) -> AsyncGenerator[bytes, None]:
        """A download, piece by piece."""
        try:
            async with self._http.stream("GET", self._url(path), headers=self._headers) as response:
                if response.is_error:
                    await response.aread()
                    raise refusal(response)
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.HTTPError as error:
            raise unreachable() from error

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
            raise unreachable() from error
        if response.is_error:
            raise refusal(response)
        return response


def api_path(*segments: str) -> str:
    """The path ``/api/…`` with each segment percent-encoded."""
    return "/api/" + "/".join(quote(segment, safe="") for segment in segments)


def given(parameters: Json) -> Json:
    """The parameters that are not ``None``."""
    return {name: value for name, value in parameters.items() if value is not None}


def refusal(response: httpx.Response) -> ApiError:
    """The error of a response."""
    try:
        error = response.json()["error"]
        return ApiError(error["code"], error["message"], error.get("details"), response.status_code)
    except (ValueError, KeyError, TypeError):
        return _unexpected(response)


def _unexpected(response: httpx.Response) -> ApiError:
    return ApiError("unexpected_answer", f"The server answered {response.status_code}.", None, response.status_code)


def unreachable() -> ApiError:
    """The error when there is no response."""
    return ApiError("unreachable", "The server does not answer. It may be restarting: try again in a moment.")


async def _objects(response: httpx.Response) -> AsyncGenerator[Json, None]:
    try:
        async for line in response.aiter_lines():
            yield json.loads(line)
    except ValueError:
        raise _unexpected(response) from None


async def _with_api_errors(events: AsyncGenerator[ServerEvent, None]) -> AsyncGenerator[ServerEvent, None]:
    """Pass the events through; raise what breaks the stream as an :class:`ApiError`."""
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    except httpx.HTTPError as error:
        raise unreachable() from error
    except ValueError as error:
        raise ApiError("unexpected_answer", f"The server sent no events: {error}.") from error
