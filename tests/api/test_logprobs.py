"""The probabilities of tokens, as the official client reads them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from app.api.openai_request import ChatRequest
from app.api.openai_response import Offer, chunks, whole
from app.chat.completion import Completion, read_whole
from app.domain.generation import (
    DecodingOptions,
    Delta,
    Finished,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Prompt,
    TokenChance,
)
from app.domain.sampling import SamplingParams
from app.engine.base import Capabilities
from app.errors import InvalidRequest, UnsupportedRequest
from app.models.manifest import Manifest

pytestmark = pytest.mark.anyio
TOOL = {"type": "function", "function": {"name": "f"}}
PARROT = "🦜".encode()
CAPABLE = Capabilities(512, 1, hides_opening=True)
HI = TokenChance(b"Hi", -0.5, (TokenChance(b"Hi", -0.5), TokenChance(PARROT[:2], -float("inf"))))
DELTAS = (Delta("Hi", chances=(HI,)), Delta(" 🦜", 2, chances=(TokenChance(b" ", -1.0), TokenChance(PARROT, -2.0))))


def completion(*deltas: Delta, **options: Any) -> Completion:
    async def events() -> AsyncGenerator[GenerationEvent, None]:
        for delta in deltas:
            yield delta
        yield Finished(FinishReason.STOP)

    manifest = Manifest(id="m", title="M", family="native", engine="scripted")
    request = GenerationRequest("r", Prompt("", 1), SamplingParams(), options=DecodingOptions(**options))
    return Completion(request, SimpleNamespace(manifest=manifest, capabilities=CAPABLE), events())  # type: ignore[arg-type]


async def answered(opened: Completion) -> Any:
    """The only choice."""

    @asynccontextmanager
    async def open_it() -> AsyncGenerator[Completion, None]:
        yield opened

    told = whole([await read_whole(open_it())], Offer())
    return ChatCompletion.model_validate(json.loads(json.dumps(told, allow_nan=False))).choices[0]


async def test_each_token_of_the_content_is_told() -> None:
    choice = await answered(completion(*DELTAS, logprobs=True, top_logprobs=2))
    tokens = choice.logprobs.content
    assert "".join(token.token for token in tokens) == choice.message.content == "Hi 🦜"
    assert [token.logprob for token in tokens] == [-0.5, -1.0, -2.0]
    assert [(other.token, other.logprob, other.bytes) for other in tokens[0].top_logprobs] == [
        ("Hi", -0.5, [72, 105]),
        ("\\xf0\\x9f", -9999.0, list(PARROT[:2])),
    ]
    assert choice.logprobs.refusal is None


async def test_none_are_told_unasked() -> None:
    assert (await answered(completion(Delta("Hi")))).logprobs is None


async def test_reasoning_has_none() -> None:
    """Where it shows only at its end that the reply began with reasoning, too."""
    deltas = [Delta(text, chances=(TokenChance(text.encode(), -1.0),)) for text in ("So", "</think>", "\n", "Hi")]
    choice = await answered(completion(*deltas, logprobs=True))
    assert [token.token for token in choice.logprobs.content] == ["Hi"]


async def test_a_stream_tells_them_with_their_text() -> None:
    events = chunks([completion(*DELTAS, logprobs=True)], Offer(), with_usage=False, heartbeat_s=9)
    lines = [line[6:] async for line in events]
    choices = [ChatCompletionChunk.model_validate_json(line).choices[0] for line in lines if line.startswith(b"{")]
    told = [choice for choice in choices if choice.logprobs]
    assert [choice.delta.content for choice in told] == ["Hi", " 🦜"]
    assert [[token.token for token in choice.logprobs.content or ()] for choice in told if choice.logprobs] == [
        ["Hi"],
        [" ", "🦜"],
    ]


@pytest.mark.parametrize(
    ("body", "error"),
    [({"top_logprobs": 2}, InvalidRequest), ({"logprobs": True, "tools": [TOOL]}, UnsupportedRequest)],
)
def test_what_cannot_be_told_is_refused_by_name(body: dict[str, Any], error: type[Exception]) -> None:
    request = ChatRequest.model_validate({"messages": [{"role": "user", "content": "x"}]} | body)
    with pytest.raises(error, match="logprobs"):
        request.refuse_unsupported()
