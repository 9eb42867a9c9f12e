from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.domain.generation import Delta, Finished, FinishReason, Usage
from app.domain.messages import Role, Turn
from app.engine.openai import OpenAIEngine
from app.engine.openai_errors import Refusal, refusal_error
from app.engine.token_estimate import estimated_tokens
from app.errors import ParleyError, PromptTooLong, UnsupportedRequest, UpstreamFailed, UpstreamTimeout
from tests.engine import fake_upstream
from tests.engine.engine_contract import QUESTION, ask, request, until
from tests.engine.fake_upstream import HEAD, Answer, Send, Upstream, event, piece, refuse, usage

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def connected(answer: Answer, **options: Any) -> AsyncIterator[tuple[OpenAIEngine, Upstream]]:
    async with fake_upstream.serving(answer) as upstream:
        engine = OpenAIEngine(fake_upstream.plan(upstream.base_url, **options))
        await engine.start()
        try:
            yield engine, upstream
        finally:
            await engine.stop()


def saying(*chunks: bytes) -> Answer:
    async def answer(_: dict[str, Any], send: Send) -> None:
        await send(HEAD + b"".join(chunks))

    return answer


async def failure(answer: Answer, **options: Any) -> ParleyError:
    async with connected(answer, **options) as (engine, _):
        with pytest.raises(ParleyError) as failed:
            await ask(engine, QUESTION)
    return failed.value


async def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    good = saying(event(piece("Hi")), event(piece("", "stop")), event(usage(9, 1)), b"data: [DONE]\n\n")
    async with connected(good, api_key_env="SOME_KEY") as (engine, upstream):
        outcome = await ask(engine, [Turn(Role.SYSTEM, "Be kind"), Turn(Role.USER, "你好")], stop=("x",), top_k=7)
    assert outcome.deltas == [Delta("Hi")]
    assert outcome.finished == Finished(FinishReason.STOP, Usage(9, 1))
    assert "authorization: bearer s3cret" in upstream.heads[0].lower()
    body = upstream.bodies[0]
    assert body["model"] == "the-model"
    assert body["messages"] == [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "你好"}]
    assert json.loads(outcome.prompt.text) == body["messages"]
    assert (body["stream"], body["stream_options"], body["seed"]) == (True, {"include_usage": True}, 7)
    assert (body["max_tokens"], body["temperature"], body["top_k"]) == (24, 0.0, 7)


async def test_extras_are_left_out_for_a_server_that_refuses_them() -> None:
    async def strict(body: dict[str, Any], send: Send) -> None:
        if "top_k" in body:
            await refuse(send, 400, {"error": {"message": "Unrecognized request argument supplied: top_k"}})
        else:
            await saying(event(piece("Hi", "stop")), b"data: [DONE]\n\n")(body, send)

    async with connected(strict) as (engine, upstream):
        assert [(await ask(engine, QUESTION)).text for _ in range(2)] == ["Hi", "Hi"]
    assert ["top_k" in body for body in upstream.bodies] == [True, False, False]  # learnt the first time


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (400, "rejected the request"),
        (401, "api_key_env"),
        (404, "base_url"),
        (429, "Try again"),
        (500, "its log"),
        (302, "rejected"),
    ],
)
async def test_refusals_say_what_to_do(status: int, hint: str) -> None:
    async def answer(_: dict[str, Any], send: Send) -> None:
        await refuse(send, status, {"error": {"message": "its own words"}})

    error = await failure(answer)
    assert isinstance(error, UpstreamFailed)
    assert error.details["status"] == status
    assert hint in error.message
    assert "its own words" in error.message


async def test_a_prompt_that_is_too_long_for_the_upstream() -> None:
    async def answer(_: dict[str, Any], send: Send) -> None:
        await refuse(send, 400, {"error": {"message": "too many", "code": "context_length_exceeded"}})

    assert isinstance(await failure(answer), PromptTooLong)


@pytest.mark.parametrize(
    "chunks",
    [
        b"data: {not json\n\n",
        b"data: [1]\n\n",
        b'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
        b'data: {"choices": [7]}\n\n',
        b"data: \xff\xfe\n\n",
        b"<html>Welcome</html>",
        b'data: {"error": {"message": "exploded", "code": 503}}\n\n',
        event(piece("half")) + b'data: {"choices": [{"del',
        event(piece("half")),
        event(piece("half", "content_filter")),
        b"",
    ],
)
async def test_nonsense_and_broken_streams_are_failures_not_replies(chunks: bytes) -> None:
    assert isinstance(await failure(saying(chunks)), UpstreamFailed)


async def test_nobody_there() -> None:
    async with fake_upstream.serving(saying()) as upstream:
        pass
    engine = OpenAIEngine(fake_upstream.plan(upstream.base_url))
    await engine.start()
    with pytest.raises(UpstreamFailed, match="cannot be reached"):
        await ask(engine, QUESTION)
    await engine.stop()


@pytest.mark.parametrize("said_before", [b"", HEAD, HEAD + event(piece("Hi"))])
async def test_silence_has_a_limit(said_before: bytes) -> None:
    async def answer(_: dict[str, Any], send: Send) -> None:
        await send(said_before)
        await asyncio.sleep(30)

    began = time.monotonic()
    error = await failure(answer, timeout_s=0.3)
    assert isinstance(error, UpstreamTimeout)
    assert error.details == {"timeout_s": 0.3}
    assert time.monotonic() - began < 2


async def test_cancelling_closes_the_connection() -> None:
    async def answer(_: dict[str, Any], send: Send) -> None:
        await send(HEAD)
        while True:
            await send(event(piece("more ")))
            await asyncio.sleep(0.01)

    async with connected(answer) as (engine, upstream):
        stream = engine.generate(request(await engine.render([Turn(Role.USER, QUESTION)]), max_new_tokens=1000))
        await anext(stream)
        assert upstream.open_connections == 1
        await stream.aclose()

        async def closed() -> bool:
            return upstream.open_connections == 0

        assert await until(closed, 2.0) < 1.0


async def test_a_missing_key_is_told_before_anything_is_sent() -> None:
    engine = OpenAIEngine(fake_upstream.plan("http://127.0.0.1:9/v1", api_key_env="PARLEY_TEST_NO_SUCH_KEY"))
    with pytest.raises(UpstreamFailed, match="PARLEY_TEST_NO_SUCH_KEY"):
        await engine.start()


async def test_a_reply_cannot_be_continued() -> None:
    engine = OpenAIEngine(fake_upstream.plan("http://127.0.0.1:9/v1"))
    with pytest.raises(UnsupportedRequest):
        await engine.render([Turn(Role.USER, "Hi")], prefill="Hel")


def test_estimates() -> None:
    assert estimated_tokens("The capital of France is Paris.") == 11  # 7 to most tokenizers
    assert estimated_tokens("你好") == 3
    assert estimated_tokens("") == 0


async def test_what_a_refusal_says_can_be_stored_and_sent() -> None:
    told = refusal_error(Refusal(500, b'{"error": {"message": "half \\ud800 and \\u0000"}}')).message
    assert "half ? and" in told
    assert "\0" not in told
