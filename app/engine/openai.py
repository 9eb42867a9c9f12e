"""Engine for any server that speaks OpenAI's protocol: vLLM, SGLang, TGI, llama-server, a hosted service.

The upstream renders the prompt, so our prompt is the list of messages as canonical JSON, and its token count an
estimate that errs upwards. A reply cannot be continued (``prefill``): the protocol has no field for it.

Differences between upstreams are handled here, in :mod:`app.engine.openai_dialect` (parameters that only some accept)
and in :mod:`app.engine.openai_reply` (what they leave out of a reply, or add). Stop strings are not sent: the protocol
allows four, and llama-server loses held-back text when a reply ends at its length limit. A reply that reaches one is
ended by closing the connection, so its tokens are counted here: one for each chunk.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx

from app.domain.generation import (
    ALL_OPTIONS,
    LOGPROBS,
    Delta,
    EngineEvent,
    Finished,
    FinishReason,
    GenerationRequest,
    Prompt,
)
from app.domain.messages import Turn
from app.engine.base import Capabilities, EngineFactory, LoadPlan
from app.engine.openai_dialect import Dialect
from app.engine.openai_errors import Refusal, cut_off, refusal_error, unreachable
from app.engine.openai_reply import DONE, Reply
from app.engine.sse import EventReader
from app.engine.token_estimate import estimated_tokens
from app.engine.upstream_client import upstream_client
from app.errors import ConfigurationError, UnsupportedRequest, UpstreamFailed, UpstreamTimeout
from app.models.engine_input import UPSTREAM
from app.models.manifest import UpstreamSource

_TURN_TOKENS = 8  # tokens that a chat template adds to each turn
_MAX_REFUSAL_BYTES = 1 << 16
_MAX_ANSWER_BYTES = 16 << 20  # of a server that does not stream
_USAGE_TIMEOUT_S = 5.0  # for token counts after the reply, which some servers never send


class OpenAIEngine:
    """Engine for one model of one upstream."""

    def __init__(self, plan: LoadPlan, transport: httpx.AsyncBaseTransport | None = None) -> None:
        if not isinstance(plan.manifest.source, UpstreamSource):
            raise ConfigurationError(f"The manifest of {plan.manifest.id} names no upstream server. Add one.")
        self._source = plan.manifest.source
        self._plan = plan
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._dialect = Dialect()  # what the upstream accepts, as far as is known

    @property
    def alive(self) -> bool:
        """Whether the engine was started; the upstream's health shows only when a request is made."""
        return self._client is not None

    @property
    def pid(self) -> int | None:
        """``None``: there is no local process."""
        return None

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities given by the manifest and settings; the upstream is not queried."""
        options = ALL_OPTIONS - LOGPROBS
        return Capabilities(self._plan.context_tokens, self._plan.slots, hides_opening=True, options=options)

    async def start(self) -> None:
        """Create the HTTP client. Raises :class:`UpstreamFailed` if its key or a proxy is missing."""
        if self._client is not None:
            return
        quiet_s = self._plan.upstream_timeout_s
        self._client = upstream_client(self._source.base_url, self._credentials(), quiet_s, self._transport)

    async def stop(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def render(self, turns: Sequence[Turn], prefill: str = "", thinking: bool | None = None) -> Prompt:
        """The messages as canonical JSON, and an estimate of their tokens. Raises :class:`UnsupportedRequest`.

        `thinking` is not part of the messages; the request tells it.
        """
        if prefill:
            raise UnsupportedRequest(
                "This model runs on another server, which can't continue replies. Regenerate the reply instead.",
                field="prefill",
            )
        messages = [{"role": turn.role.value, "content": turn.content} for turn in turns]
        n_tokens = sum(_TURN_TOKENS + estimated_tokens(turn.content) for turn in turns)
        return Prompt(json.dumps(messages, ensure_ascii=False, separators=(",", ":")), n_tokens)

    async def extend(self, prompt: Prompt, begun: str, closing: str) -> Prompt:
        """Raises :class:`UnsupportedRequest`: only the upstream can end the reasoning."""
        raise UnsupportedRequest("This model's server can't be told how long to think.", field="thinking_tokens")

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[EngineEvent, None]:
        """Deltas as they arrive; ``Finished`` with the upstream's token counts, or ours where it reports none."""
        reply = Reply(request, (*request.sampling.stop, *self._plan.family.stop))
        async with self._answer(request) as response, aclosing(_events(response)) as events:
            while (data := await _next(events, reply)) is not None:
                if delta := reply.take(data, limited=self._dialect.limit is not None):
                    yield delta
                if reply.over:
                    break
        if reply.reason is None and not reply.over:
            raise cut_off()
        if rest := reply.gate.flush():
            yield Delta(rest)
        yield Finished(reply.reason or FinishReason.STOP, reply.usage)

    def _credentials(self) -> dict[str, str]:
        variable = self._source.api_key_env
        if variable is None:
            return {}
        key = os.environ.get(variable)
        if not key:
            raise UpstreamFailed(
                f"This model's server needs an API key, but the environment variable {variable} is not set. "
                "Set it and restart Parley."
            )
        return {"Authorization": f"Bearer {key}"}

    @asynccontextmanager
    async def _answer(self, request: GenerationRequest) -> AsyncIterator[httpx.Response]:
        """The upstream's response; asked again without what it refuses, which is then remembered."""
        dialect = self._dialect
        while True:
            body = dialect.body(self._source.model, request, self._plan.manifest.reasoning.switch)
            try:
                async with self._attempt(body) as response:
                    self._dialect = dialect
                    yield response
                    return
            except Refusal as refusal:
                other = dialect.after(refusal, body)
                if other is None:
                    raise refusal_error(refusal) from refusal
                dialect = other

    @asynccontextmanager
    async def _attempt(self, body: Mapping[str, Any]) -> AsyncIterator[httpx.Response]:
        if self._client is None:
            raise UpstreamFailed("The connection to this model's server was closed. Try again.")
        url = f"{self._source.base_url}/chat/completions"
        try:
            async with self._client.stream("POST", url, json=body) as response:
                if response.status_code != 200:
                    raise Refusal(response.status_code, await _beginning(response.aiter_bytes(), _MAX_REFUSAL_BYTES))
                yield response
        except (httpx.ConnectTimeout, httpx.ConnectError) as failed:
            raise unreachable(self._source.base_url) from failed
        except httpx.TimeoutException as failed:
            timeout_s = self._plan.upstream_timeout_s
            raise UpstreamTimeout(
                f"This model's server sent nothing for {timeout_s:g} s. Try again; if it is just slow, raise "
                "PARLEY_UPSTREAM_TIMEOUT_S.",
                timeout_s=timeout_s,
            ) from failed
        except httpx.HTTPError as failed:
            raise cut_off() from failed


async def _next(events: AsyncGenerator[str, None], reply: Reply) -> str | None:
    """The next event, ``None`` at the end. Nothing that happens after the reply's end is an error."""
    if reply.reason is None:
        return await anext(events, None)
    try:
        async with asyncio.timeout(_USAGE_TIMEOUT_S):
            return await anext(events, None)
    except (TimeoutError, httpx.HTTPError, UpstreamFailed):
        return None


async def _events(response: httpx.Response) -> AsyncGenerator[str, None]:
    """The data of each event; of a server that does not stream, its whole answer."""
    reader = EventReader()
    chunks = response.aiter_bytes()
    first = await anext(chunks, b"")
    while first and not first.strip():
        first = await anext(chunks, b"")
    if first.lstrip()[:1] == b"{":
        yield (await _beginning(chunks, _MAX_ANSWER_BYTES, first)).decode(errors="replace")
        yield DONE
        return
    try:
        for data in reader.feed(first):
            yield data
        async for chunk in chunks:
            for data in reader.feed(chunk):
                yield data
        for data in reader.rest():
            if _is_whole(data):
                yield data
    except ValueError as broken:
        raise UpstreamFailed(f"This model's server sent something that isn't an event stream ({broken}).") from broken


def _is_whole(data: str) -> bool:
    """Whether the last event of a stream, which had no end, is not cut off."""
    last = data.rpartition("\n")[2].strip()
    try:
        return last == DONE or bool(json.loads(last))
    except ValueError:
        return False


async def _beginning(chunks: AsyncIterator[bytes], limit: int, body: bytes = b"") -> bytes:
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            break
    return body


ENGINE = EngineFactory("openai", OpenAIEngine, takes=UPSTREAM, slots=16)
