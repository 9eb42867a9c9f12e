"""Engine for any server that speaks OpenAI's protocol: vLLM, SGLang, TGI, llama-server, a hosted service.

The upstream renders the prompt, so our prompt is the list of messages as canonical JSON, and its token count an
estimate that errs upwards. A reply cannot be continued (``prefill``): the protocol has no field for it.

Differences between upstreams are handled here: split characters, sampling parameters that only some support, and stop
strings. Stop strings are not sent: the protocol allows four, and llama-server loses held-back text when a reply ends at
its length limit. A reply that reaches one is ended by closing the connection, so its tokens are counted here: one for
each chunk.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx

from app.domain.generation import Delta, EngineEvent, Finished, FinishReason, GenerationRequest, Prompt, Usage
from app.domain.messages import Turn
from app.engine.base import Capabilities, EngineFactory, LoadPlan
from app.engine.openai_errors import Refusal, cut_off, refusal_error, unreachable
from app.engine.sse import EventReader
from app.engine.stopping import TextGate
from app.engine.token_estimate import estimated_tokens
from app.errors import ConfigurationError, UnsupportedRequest, UpstreamFailed, UpstreamTimeout
from app.models.engine_input import UPSTREAM
from app.models.manifest import UpstreamSource

_CONNECT_TIMEOUT_S = 10.0
_TURN_TOKENS = 8  # tokens that a chat template adds to each turn
_MAX_REFUSAL_BYTES = 1 << 16


class OpenAIEngine:
    """Engine for one model of one upstream."""

    def __init__(self, plan: LoadPlan, transport: httpx.AsyncBaseTransport | None = None) -> None:
        if not isinstance(plan.manifest.source, UpstreamSource):
            raise ConfigurationError(f"The manifest of {plan.manifest.id} names no upstream server. Add one.")
        self._source = plan.manifest.source
        self._plan = plan
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._knows_extras = True  # until the upstream rejects them

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
        return Capabilities(self._plan.context_tokens, self._plan.slots)

    async def start(self) -> None:
        """Create the HTTP client. Raises :class:`UpstreamFailed` when the key that the manifest names is not set."""
        if self._client is not None:
            return
        quiet_s = self._plan.upstream_timeout_s
        self._client = httpx.AsyncClient(
            headers=self._credentials(),
            timeout=httpx.Timeout(quiet_s, connect=min(_CONNECT_TIMEOUT_S, quiet_s)),
            limits=httpx.Limits(max_connections=None),  # the admission queue is the limit
            transport=self._transport,
            follow_redirects=False,  # the key is sent only to the manifest's address
        )

    async def stop(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def render(self, turns: Sequence[Turn], prefill: str = "") -> Prompt:
        """The messages as canonical JSON, and an estimate of their tokens. Raises :class:`UnsupportedRequest`."""
        if prefill:
            raise UnsupportedRequest(
                "This model runs on another server, which can't continue replies. Regenerate the reply instead.",
                field="prefill",
            )
        messages = [{"role": turn.role.value, "content": turn.content} for turn in turns]
        n_tokens = sum(_TURN_TOKENS + estimated_tokens(turn.content) for turn in turns)
        return Prompt(json.dumps(messages, ensure_ascii=False, separators=(",", ":")), n_tokens)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[EngineEvent, None]:
        """Deltas as they arrive; ``Finished`` with the upstream's token counts, or ours where it reports none."""
        reply = _Reply(request, (*request.sampling.stop, *self._plan.family.stop))
        async with self._answer(request) as response, aclosing(_events(response)) as events:
            async for data in events:
                if data == "[DONE]":
                    break
                if delta := reply.take(data):
                    yield delta
                if reply.gate.stopped:
                    break
        if reply.reason is None and not reply.gate.stopped:
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
        """The upstream's response stream; retried without extra parameters if the upstream rejects them."""
        try:
            async with self._attempt(request, extras=self._knows_extras) as response:
                yield response
                return
        except Refusal as refusal:
            if not (self._knows_extras and refusal.status in (400, 422)):
                raise refusal_error(refusal) from refusal
        try:
            async with self._attempt(request, extras=False) as response:
                self._knows_extras = False
                yield response
        except Refusal as refusal:
            raise refusal_error(refusal) from refusal

    @asynccontextmanager
    async def _attempt(self, request: GenerationRequest, *, extras: bool) -> AsyncIterator[httpx.Response]:
        if self._client is None:
            raise UpstreamFailed("The connection to this model's server was closed. Try again.")
        url = f"{self._source.base_url}/chat/completions"
        body = self._body(request, extras=extras)
        try:
            async with self._client.stream("POST", url, json=body) as response:
                if response.status_code != 200:
                    raise Refusal(response.status_code, await _beginning(response))
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

    def _body(self, request: GenerationRequest, *, extras: bool) -> dict[str, Any]:
        wanted = request.sampling
        body: dict[str, Any] = {
            "model": self._source.model,
            "messages": json.loads(request.prompt.text),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": wanted.temperature,
            "top_p": wanted.top_p,
            "max_tokens": wanted.max_new_tokens,
            "seed": wanted.seed,
        }
        if extras:
            body |= {"top_k": wanted.top_k, "min_p": wanted.min_p, "ignore_eos": wanted.ignore_eos}
            body |= {"repetition_penalty": wanted.repetition_penalty}  # vLLM, SGLang, TGI
            body |= {"repeat_penalty": wanted.repetition_penalty}  # llama-server
        return body


class _Reply:
    """Accumulates one reply from its chunks."""

    def __init__(self, request: GenerationRequest, stops: Sequence[str]) -> None:
        self.gate = TextGate(stops)
        self.reason: FinishReason | None = None
        self.usage = Usage(request.prompt.n_tokens)
        self._counted = False  # by the upstream; until then each chunk counts as one token

    def take(self, data: str) -> Delta | None:
        """Parse one chunk. Raises :class:`UpstreamFailed` for an error in it or an invalid chunk."""
        try:
            chunk = json.loads(data)
            if error := chunk.get("error"):
                raise refusal_error(Refusal(_status_in(error), data.encode(errors="replace")))
            self._count(chunk.get("usage"))
            choices = chunk.get("choices") or [{}]
            text = (choices[0].get("delta") or {}).get("content") or ""
            self._finish(choices[0].get("finish_reason"))
            shown = self.gate.push(text)
        except (ValueError, TypeError, AttributeError, LookupError) as malformed:
            raise UpstreamFailed(
                "This model's server doesn't follow the OpenAI API. Check base_url in its manifest."
            ) from malformed
        if text and not self._counted:
            self.usage = Usage(self.usage.prompt_tokens, self.usage.completion_tokens + 1)
        return Delta(shown) if shown else None

    def _count(self, usage: Any) -> None:
        if usage:
            self._counted = True
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            self.usage = Usage(int(usage["prompt_tokens"]), int(usage["completion_tokens"]), int(cached))

    def _finish(self, reason: Any) -> None:
        if reason == "content_filter":
            raise UpstreamFailed("This model's server blocked the reply with its content filter.")
        if reason:
            self.reason = FinishReason.LENGTH if reason == "length" else FinishReason.STOP


def _status_in(error: object) -> int:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 500


async def _events(response: httpx.Response) -> AsyncGenerator[str, None]:
    reader = EventReader()
    async for chunk in response.aiter_bytes():
        try:
            events = reader.feed(chunk)
        except ValueError as broken:
            raise UpstreamFailed(
                f"This model's server sent something that isn't an event stream ({broken})."
            ) from broken
        for data in events:
            yield data


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_REFUSAL_BYTES:
            break
    return body


ENGINE = EngineFactory("openai", OpenAIEngine, takes=UPSTREAM, slots=16)
