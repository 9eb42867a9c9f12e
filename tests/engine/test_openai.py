from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from app.domain.generation import DecodingOptions, Delta, Finished, FinishReason, Prompt, Usage
from app.domain.messages import Role, Turn
from app.engine.openai import OpenAIEngine
from app.engine.openai_dialect import Dialect
from app.engine.openai_errors import Refusal, refusal_error
from app.engine.token_estimate import estimated_tokens
from app.engine.upstream_client import is_loopback
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


REASONING_MODEL = {"max_tokens", "temperature", "top_p", "top_k"}


@pytest.mark.parametrize(
    ("refused", "wording"),
    [
        (REASONING_MODEL, "Unsupported parameter: '{}' is not supported with this model."),
        ({"max_tokens"}, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        ({"max_tokens", "max_completion_tokens"}, "{}: Extra inputs are not permitted"),
        ({"temperature"}, "Unsupported value: '{}' does not support 0.0; only the default (1) is supported."),
        ({"seed", "stream_options", "top_p"}, "unknown field `{}`"),
        ({"stream"}, "Unsupported value: '{}' does not support true with this model."),
        ({"min_p"}, "no such thing"),
    ],
)
async def test_what_an_upstream_refuses_is_left_out_and_remembered(refused: set[str], wording: str) -> None:
    async def strict(body: dict[str, Any], send: Send) -> None:
        bad = sorted(refused & body.keys())
        if bad:
            await refuse(send, 400, {"error": {"message": wording.format(bad[0]), "param": None}})
        elif body.get("stream"):
            await saying(event(piece("Hi", "stop")), b"data: [DONE]\n\n")(body, send)
        else:
            await send(HEAD + json.dumps({"choices": [{"message": {"content": "Hi"}}]}).encode())

    async with connected(strict) as (engine, upstream):
        assert [(await ask(engine, QUESTION)).text for _ in range(2)] == ["Hi", "Hi"]
    *_, last, again = upstream.bodies
    assert last == again
    assert not refused & again.keys()
    assert ("max_completion_tokens" in again) == ("max_tokens" in refused and "max_completion_tokens" not in refused)
    kept = {"temperature", "top_p", "seed", "stream"} - refused
    assert kept <= again.keys()


async def test_a_refusal_for_another_reason_changes_nothing() -> None:
    async def busy_once(body: dict[str, Any], send: Send) -> None:
        if len(body["messages"]) == 1:
            await refuse(send, 400, {"error": {"message": "the temperature in `messages` is not to my taste"}})
        else:
            await saying(event(piece("Hi", "stop")))(body, send)

    async with connected(busy_once) as (engine, upstream):
        with pytest.raises(UpstreamFailed, match="not to my taste"):
            await ask(engine, QUESTION)
        await ask(engine, [Turn(Role.SYSTEM, "Be kind"), Turn(Role.USER, "Hi")])
    assert {"temperature", "top_k"} <= upstream.bodies[-1].keys()


async def test_without_a_limit_that_the_upstream_accepts_the_reply_is_ended_here() -> None:
    async def endless(body: dict[str, Any], send: Send) -> None:
        if name := next((name for name in body if name.startswith("max_")), None):
            await refuse(send, 422, {"detail": [{"loc": ["body", name], "msg": "Extra inputs are not permitted"}]})
            return
        await send(HEAD)
        while True:
            await send(event(piece("more ")))
            await asyncio.sleep(0)

    async with connected(endless) as (engine, _):
        outcome = await ask(engine, QUESTION, max_new_tokens=7)
    assert outcome.text == "more " * 7
    assert outcome.finished == Finished(FinishReason.LENGTH, Usage(outcome.prompt.n_tokens, 7))


async def test_an_upstream_without_system_messages() -> None:
    async def strict(body: dict[str, Any], send: Send) -> None:
        if body["messages"][0]["role"] == "system":
            await refuse(send, 400, {"error": {"message": "System role not supported"}})
        else:
            await saying(event(piece("Hi", "stop")))(body, send)

    async with connected(strict) as (engine, upstream):
        turns = [Turn(Role.SYSTEM, "Be kind"), Turn(Role.USER, "你好")]
        assert [(await ask(engine, turns)).text for _ in range(2)] == ["Hi", "Hi"]
    assert len(upstream.bodies) <= 4
    assert upstream.bodies[-1]["messages"] == [{"role": "user", "content": "Be kind\n\n你好"}]


TEXT = [piece("Hello "), piece("there.")]
END = piece("", "stop")
DONE = b"data: [DONE]\n\n"


def stream(*chunks: object, end: bytes = DONE) -> bytes:
    return b"".join(map(event, chunks)) + end


def parts(*texts: str) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": [{"type": "text", "text": text} for text in texts]}}]}


def counts(**values: object) -> dict[str, Any]:
    return {"choices": [], "usage": values}


WHOLE = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello there."}, "finish_reason": "stop"}]
}


@pytest.mark.parametrize(
    ("sent", "completion_tokens"),
    [
        pytest.param(stream(*TEXT, END, counts(prompt_tokens=7, completion_tokens=5)), 5, id="good"),
        pytest.param(stream(*TEXT, END), 2, id="no usage"),
        pytest.param(stream(*TEXT, END, {"choices": [], "usage": None}), 2, id="usage null"),
        pytest.param(stream(*TEXT, END, {"choices": [], "usage": [1]}), 2, id="usage a list"),
        pytest.param(stream(*TEXT, END, counts(total_tokens=9)), 2, id="total only"),
        pytest.param(stream(*TEXT, END, counts(prompt_tokens=7, completion_tokens=None)), 2, id="null counts"),
        pytest.param(stream(*TEXT, END, counts(prompt_tokens="7", completion_tokens="x")), 2, id="odd counts"),
        pytest.param(
            stream(*TEXT, END, counts(prompt_tokens=7, completion_tokens=5, prompt_tokens_details=[])), 5, id="details"
        ),
        pytest.param(stream(*({**chunk, "usage": {"completion_tokens": 0}} for chunk in TEXT), END), 2, id="zeros"),
        pytest.param(stream(*TEXT), 2, id="no finish reason"),
        pytest.param(stream(*TEXT, END, end=b""), 2, id="no DONE"),
        pytest.param(stream(*TEXT, END, end=b"data: [DONE]"), 2, id="DONE without a line end"),
        pytest.param(stream(*TEXT, end=event(END).strip()), 2, id="no line end at all"),
        pytest.param(stream(None, TEXT[0], None, TEXT[1], END, None), 2, id="null events"),
        pytest.param(
            stream({}, {"choices": None}, {"choices": [{}]}, {"choices": [{"delta": None}]}, *TEXT, END), 2, id="empty"
        ),
        pytest.param(stream(parts("Hello ", "there."), END), 1, id="parts"),
        pytest.param(stream(*TEXT, END).replace(b"\n", b"\r\n"), 2, id="CRLF"),
        pytest.param(b": waiting\n\n" + stream(*TEXT, END).replace(b"data", b": ping\n\ndata"), 2, id="comments"),
        pytest.param(stream(*TEXT, END).replace(b"data: ", b"data:"), 2, id="no space"),
        pytest.param(stream(*TEXT, END).replace(b"\n\n", b"\n"), 2, id="single line ends"),
        pytest.param(stream(*TEXT, END).replace(b"data", b"event: chunk\nid: 1\ndata"), 2, id="event names"),
        pytest.param(json.dumps(WHOLE).encode(), 4, id="one answer"),
        pytest.param(json.dumps(WHOLE, indent=2).replace('"stop"', "null").encode(), 4, id="one answer, no reason"),
        pytest.param(stream(WHOLE), 4, id="one answer as an event"),
        pytest.param(stream(*TEXT, {"choices": [WHOLE["choices"][0]]}), 2, id="repeated at the end"),
        pytest.param(stream(*TEXT, END, {"error": {"message": "no billing"}}), 2, id="an error after the end"),
        pytest.param(stream(*TEXT, END, end=b"data: {not json\n\n"), 2, id="nonsense after the end"),
        pytest.param(stream({"choices": [{"text": "Hello "}]}, {"choices": [{"text": "there."}]}), 2, id="completions"),
    ],
)
async def test_a_complete_reply_reaches_the_person(sent: bytes, completion_tokens: int) -> None:
    async with connected(saying(sent)) as (engine, _):
        outcome = await ask(engine, QUESTION)
    assert outcome.text == "Hello there."
    assert outcome.finished.reason == "stop"
    assert outcome.finished.usage.completion_tokens == completion_tokens
    assert outcome.finished.usage.prompt_tokens in (7, outcome.prompt.n_tokens)


async def test_a_complete_reply_needs_no_end_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.openai._USAGE_TIMEOUT_S", 0.05)

    async def holding(_: dict[str, Any], send: Send) -> None:
        await send(HEAD + stream(*TEXT, END, end=b""))
        await asyncio.Event().wait()

    async with connected(holding) as (engine, _):
        assert (await ask(engine, QUESTION)).text == "Hello there."


@pytest.mark.parametrize(
    "thought",
    [
        {"reasoning_content": "Let me think."},
        {"reasoning": "Let me think.", "content": None},
        {"reasoning": "Let me think.", "reasoning_details": [{"type": "reasoning.text", "text": "Let me think."}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me think."}]}]},
    ],
)
async def test_reasoning_is_kept_apart_from_the_answer(thought: dict[str, Any]) -> None:
    sent = stream({"choices": [{"delta": thought}]}, *TEXT, END)
    async with connected(saying(sent)) as (engine, _):
        outcome = await ask(engine, QUESTION)
    assert outcome.text == "Hello there."
    assert outcome.finished.usage.completion_tokens == 3
    assert "".join(delta.reasoning for delta in outcome.deltas) == "Let me think."


async def test_a_reply_that_is_only_reasoning_is_cut_not_failed() -> None:
    sent = stream({"choices": [{"delta": {"reasoning_content": "Still thinking"}}]}, piece("", "length"))
    async with connected(saying(sent)) as (engine, _):
        outcome = await ask(engine, QUESTION)
    assert (outcome.text, outcome.finished.reason) == ("", "length")


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


@pytest.mark.parametrize(
    "proxies",
    [
        {"http_proxy": "http://127.0.0.1:9"},
        {"all_proxy": "socks5://127.0.0.1:9"},
        {"HTTP_PROXY": "nonsense://x", "no_proxy": "[::1"},
    ],
)
async def test_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str]) -> None:
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    async with connected(saying(event(piece("Hi", "stop")), b"data: [DONE]\n\n")) as (engine, _):
        assert (await ask(engine, QUESTION)).text == "Hi"


@pytest.mark.parametrize(
    ("value", "text"), [("socks5://127.0.0.1:9", "pip install socksio"), ("nonsense://x", "can't be used")]
)
async def test_a_proxy_that_cannot_be_used_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, value: str, text: str
) -> None:
    monkeypatch.setenv("all_proxy", value)
    engine = OpenAIEngine(fake_upstream.plan("https://upstream.example/v1"))
    with pytest.raises(UpstreamFailed, match=text):
        await engine.start()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.8.0.1", "::1", "0.0.0.0"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost.example", "example.org", "::2", ""])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)


async def test_what_programs_ask_for_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    options = DecodingOptions(presence_penalty=1.0, logit_bias={5: -1.0}, json_schema=schema)
    async with connected(saying(event(piece("Hi", "stop")), b"data: [DONE]\n\n")) as (engine, upstream):
        wanted = replace(request(await engine.render([Turn(Role.USER, "x")])), options=options)
        assert [event async for event in engine.generate(wanted)]
    body = upstream.bodies[0]
    assert (body["presence_penalty"], body["logit_bias"]) == (1.0, {"5": -1.0})
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert "frequency_penalty" not in body


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


@pytest.mark.parametrize(
    ("switch", "thinking", "told"),
    [
        ("", None, {}),
        ("", False, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        ("enable_thinking", True, {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}),
        ("reasoning_effort", False, {"reasoning_effort": "none"}),
        ("reasoning_effort", True, {}),
        ("/no_think", False, {}),
    ],
)
def test_an_upstream_is_told_whether_to_think(switch: str, thinking: bool | None, told: dict[str, Any]) -> None:
    body = Dialect().body("m", request(Prompt("[]", 0), thinking=thinking), switch)
    assert {name: body[name] for name in ("chat_template_kwargs", "reasoning_effort") if name in body} == told
