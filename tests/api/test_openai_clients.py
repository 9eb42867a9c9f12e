"""What programs send to /v1 beside the documented minimum, and what they expect back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest

from app.api.openai_response import Offer, chunks
from app.api.sse import HEARTBEAT
from app.chat.completion import Completion
from app.domain.generation import Finished, FinishReason, GenerationEvent, GenerationRequest, Prompt, Reading
from app.domain.sampling import SamplingParams
from app.engine.scripted import Reply, echo, rules
from app.models.manifest import Manifest
from tests.support.servers import Api, scripted_settings, serving

SAY = [{"role": "user", "content": "Say hi."}]
BEGUN = [*SAY, {"role": "assistant", "content": "Hi, "}]
EXTENSION = "chrome-extension://abcdefgh"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    slow, continued = Reply(("at last",), delay_ms=900), Reply(("there.",))
    script = rules(("slowly", slow), ("assistant: Hi, $", continued), otherwise=echo(delay_ms=0))
    settings = scripted_settings(tmp_path_factory.mktemp("v1"), heartbeat_s=0.2, cors_origins=f"{EXTENSION},app://x")
    with serving(settings, script) as running:
        yield running


def reply(api: Api, **body: Any) -> str:
    """The text of the only choice."""
    answer = api.http.post("/v1/chat/completions", json={"messages": SAY} | body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    "optional",
    [
        *("model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k"),
        *("min_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias", "response_format"),
        *("seed", "stop", "ignore_eos", "n", "tools", "tool_choice", "functions", "logprobs", "top_logprobs", "user"),
        *("continue_final_message", "add_generation_prompt", "modalities"),
    ],
)
def test_null_is_the_default(api: Api, optional: str) -> None:
    assert reply(api, **{optional: None}) == "You said: Say hi."


@pytest.mark.parametrize(
    "sentinel",
    [
        {"max_tokens": -1},
        {"max_tokens": 0},
        {"max_completion_tokens": -1},
        {"max_tokens": 128_000},
        {"max_completion_tokens": 2**63},
        {"thinking_budget": 10**7},
        {"seed": -1},
        {"seed": 2**63 - 1},
        {"top_k": -1},
        {"top_p": 0, "temperature": 0},
        {"repetition_penalty": 0},
        {"stop": ""},
        {"stop": []},
        {"stop": ["", ""]},
        {"model": ""},
        {"tools": []},
        {"tools": [WEATHER], "tool_choice": "none"},
        {"logprobs": False},
        {"logprobs": 0},
        {"response_format": {"type": "text"}},
        {"stream_options": {"include_usage": None}},
        {"metadata": {"a": "b"}, "store": True, "service_tier": "auto", "parallel_tool_calls": True},
    ],
)
def test_values_that_stand_for_the_default(api: Api, sentinel: dict[str, Any]) -> None:
    assert reply(api, **sentinel) == "You said: Say hi."


@pytest.mark.parametrize(
    ("messages", "prompt"),
    [
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], "ab"),
        ([{"role": "user", "content": "a", "name": None, "tool_calls": None}], "a"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": None}, *SAY], "Say hi."),
        (
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "42"},
            ],
            "<tool_response>\n42\n</tool_response>",
        ),
        (
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": [{"type": "text", "text": "42"}]},
                {"role": "user", "content": "b"},
            ],
            "b",
        ),
    ],
)
def test_histories_of_other_programs(api: Api, messages: list[dict[str, Any]], prompt: str) -> None:
    assert prompt in reply(api, messages=messages)


@pytest.mark.parametrize("changes", [{}, {"continue_final_message": True, "add_generation_prompt": False}])
def test_a_last_message_of_the_assistant_is_continued(api: Api, changes: dict[str, Any]) -> None:
    assert reply(api, messages=BEGUN, **changes) == "there."


@pytest.mark.parametrize("changes", [{"continue_final_message": False}, {"add_generation_prompt": True}])
def test_or_not_if_so_wanted(api: Api, changes: dict[str, Any]) -> None:
    assert reply(api, messages=BEGUN, **changes) == "You said: Say hi.\nassistant: Hi, "


CALLED = '<tool_call>\n{"name": "weather", "arguments": {"city": "Lyon"}}\n</tool_call>'


@pytest.fixture(scope="module")
def calling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A model that calls a function where it is told of one, and says so where there is a result."""
    script = rules(
        ("<tool_response>", Reply.of("It is sunny.")),
        ("twice", Reply.of(f"Let me look.\n{CALLED}{CALLED}")),
        ("chat", Reply.of("No function helps.")),
        ("<tools>", Reply.of(CALLED)),
        otherwise=echo(delay_ms=0),
    )
    with serving(scripted_settings(tmp_path_factory.mktemp("calling")), script) as running:
        yield running


def asked(api: Api, content: str = "Weather?", **body: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The choice of a whole reply, and the same put together from a stream."""
    client = openai.OpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0)
    request = {"model": "test", "messages": [{"role": "user", "content": content}], "tools": [WEATHER]} | body
    whole = client.chat.completions.create(**request).choices[0]
    with client.chat.completions.stream(**request) as stream:
        streamed = stream.get_final_completion().choices[0]
    return without_ids(whole), without_ids(streamed)


def without_ids(choice: Any) -> dict[str, Any]:
    calls = choice.message.tool_calls or []
    assert all(call.id.startswith("call_") for call in calls)
    told = [(call.function.name, json.loads(call.function.arguments)) for call in calls]
    return {"text": choice.message.content or "", "calls": told, "reason": choice.finish_reason}


@pytest.mark.parametrize(
    ("content", "changes", "expected"),
    [
        ("Weather?", {}, {"text": "", "calls": [("weather", {"city": "Lyon"})], "reason": "tool_calls"}),
        (
            "twice",
            {},
            {"text": "Let me look.", "calls": [("weather", {"city": "Lyon"})] * 2, "reason": "tool_calls"},
        ),
        (
            "twice",
            {"parallel_tool_calls": False},
            {"text": "Let me look.", "calls": [("weather", {"city": "Lyon"})], "reason": "tool_calls"},
        ),
        ("chat", {}, {"text": "No function helps.", "calls": [], "reason": "stop"}),
        ("Hi", {"tool_choice": "none"}, {"text": "You said: Hi", "calls": [], "reason": "stop"}),
    ],
)
def test_functions_are_called(calling: Api, content: str, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert asked(calling, content, **changes) == (expected, expected)


def test_a_result_is_read(calling: Api) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lyon"}'}}
    turns = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    assert asked(calling, messages=turns)[0]["text"] == "It is sunny."


@pytest.mark.parametrize(
    "changes",
    [
        {"tool_choice": {"type": "function", "function": {"name": "unknown"}}},
        {"tool_choice": "required", "tools": []},
        {"tool_choice": "perhaps"},
        {"tools": [{"type": "web_search"}]},
        {"tools": [WEATHER] * 200},
        {"response_format": {"type": "json_object"}},
        {
            "tool_choice": "required",
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"not": {}}}}],
        },
    ],
)
def test_wrong_tools_are_refused(calling: Api, changes: dict[str, Any]) -> None:
    body = {"messages": SAY, "tools": [WEATHER]} | changes
    assert calling.http.post("/v1/chat/completions", json=body).status_code == 422


def test_several_choices(api: Api) -> None:
    answer = api.http.post("/v1/chat/completions", json={"messages": SAY, "n": 6, "max_tokens": 3}).json()
    assert [choice["index"] for choice in answer["choices"]] == list(range(6))
    assert {choice["message"]["content"] for choice in answer["choices"]} == {"You said: Say"}
    assert answer["usage"]["completion_tokens"] == 18
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + 18


def test_several_choices_in_one_stream(api: Api) -> None:
    client = openai.OpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0)
    said = ["", "", "", "", "", ""]  # more than there are slots
    reasons: dict[int, str] = {}
    stream = client.chat.completions.create(model="test", messages=SAY, n=6, stream=True)  # type: ignore[call-overload]
    for chunk in stream:
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
    assert said == ["You said: Say hi."] * 6
    assert reasons == dict.fromkeys(range(6), "stop")


def test_a_stream_that_waits_is_kept_alive(api: Api) -> None:
    body = {"messages": [{"role": "user", "content": "slowly"}], "stream": True}
    lines = api.http.post("/v1/chat/completions", json=body).text.splitlines()
    assert lines.count(": heartbeat") >= 2
    chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "at last"


@pytest.mark.anyio
async def test_a_prompt_that_is_read_for_long_keeps_its_stream_alive() -> None:
    """Also while events come that clients don't see."""

    async def events() -> AsyncGenerator[GenerationEvent, None]:
        for n in range(12):
            await asyncio.sleep(0.02)
            yield Reading(n, 12)
        yield Finished(FinishReason.STOP)

    manifest = Manifest(id="m", title="M", family="native", engine="scripted")
    request = GenerationRequest("r", Prompt("", 1), SamplingParams())
    completion = Completion(request, SimpleNamespace(manifest=manifest), events())  # type: ignore[arg-type]
    found = [chunk async for chunk in chunks([completion], Offer(), with_usage=False, heartbeat_s=0.1)]
    assert found.count(HEARTBEAT) >= 1


def test_one_model(api: Api) -> None:
    answer = api.http.get("/v1/models/test")
    assert (answer.status_code, answer.json()["id"], answer.json()["object"]) == (200, "test", "model")
    assert api.http.get("/v1/models/nobody").status_code == 404
    assert api.http.get("/v1/models/smollm2-135m-instruct").status_code == 404  # known, but not here


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/v1/models", "/v1/models/test"])
def test_head(api: Api, path: str) -> None:
    answer = api.http.head(path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_told_which_header_it_lacks(api: Api, kind: str | None) -> None:
    raw = json.dumps({"messages": SAY}).encode()
    answer = api.http.post("/v1/chat/completions", content=raw, headers={"content-type": kind} if kind else {})
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "messages is missing"),
        ({"messages": "hi"}, "messages must be a list"),
        ({"messages": []}, "messages must have at least 1 entries"),
        ({"messages": [{"content": "hi"}]}, "messages.0.role is missing"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content must be text or a list"),
        ({"messages": [{"role": "bot", "content": "hi"}]}, "messages.0.role must be 'system', 'developer', 'user'"),
        ({"messages": SAY, "max_tokens": "many"}, "max_tokens must be a whole number"),
        ({"messages": SAY, "temperature": "hot"}, "temperature must be a number"),
        ({"messages": SAY, "temperature": float("nan")}, "temperature must be a finite number"),
        ({"messages": SAY, "stream": "perhaps"}, "stream must be true or false"),
        ({"messages": SAY, "n": 99}, "n must be at most 16"),
        ({"messages": SAY, "tools": "x"}, "tools must be a list"),
        ([], "the body must be an object"),
    ],
)
def test_wrong_requests_are_told_in_words(api: Api, body: object, text: str) -> None:
    headers = {"content-type": "application/json"}
    answer = api.http.post("/v1/chat/completions", content=json.dumps(body).encode(), headers=headers)
    assert answer.status_code == 422
    assert text in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/chat/completions/", "/v1/chat/completions"])
def test_a_slash_at_the_end_changes_nothing(api: Api, path: str) -> None:
    assert api.http.post(path, json={"messages": SAY}).status_code == 200
    assert api.http.get("/v1/models/").json() == api.http.get("/v1/models").json()


@pytest.mark.parametrize("path", ["completions", "embeddings", "responses", "v1/chat/completions", "", "chat"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_addresses_are_told_which_there_are(api: Api, method: str, path: str) -> None:
    answer = api.http.request(method, f"/v1/{path}", json={"model": "test", "input": "x"})
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == "not_found"
    assert f"no /v1/{path} here" in error["message"]
    assert "POST /v1/chat/completions" in error["message"]


def test_a_base_url_without_v1_is_told_what_it_lacks(api: Api) -> None:
    assert "no /v1/ here" in api.http.get("/v1").json()["error"]["message"]
    for path in ("/chat/completions", "/completions", "/embeddings", "/models"):
        answer = api.http.post(path, json={"messages": SAY})
        assert answer.status_code == 404
        assert "end the base URL of your program with it" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "chat/completions", "POST"),
        ("OPTIONS", "chat/completions", "POST"),
        ("POST", "models", "GET, HEAD"),
        ("DELETE", "models/test", "GET, HEAD"),
    ],
)
def test_other_methods_are_told_which_one_to_use(api: Api, method: str, path: str, allowed: str) -> None:
    answer = api.http.request(method, f"/v1/{path}")
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert f"use {allowed}" in answer.json()["error"]["message"]


def preflight(api: Api, origin: str, path: str = "/v1/chat/completions") -> httpx.Response:
    wanted = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    return api.http.options(path, headers={"origin": origin, **wanted})


@pytest.mark.parametrize("origin", [EXTENSION, "app://x"])
def test_a_listed_origin_may_use_v1_and_nothing_else(api: Api, origin: str) -> None:
    asked = preflight(api, origin)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == origin
    headers = {"origin": origin, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
    answer = api.http.post("/v1/chat/completions", json={"messages": SAY}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in answer.headers
    assert api.http.get("/v1/models", headers=headers).status_code == 200
    for path in ("/api/conversations", "/api/models", "/ui/conversations/x", "/"):
        assert api.http.get(path, headers=headers).status_code == 403


@pytest.mark.parametrize("origin", ["chrome-extension://other", "http://evil.example", "null", f"{EXTENSION}.evil"])
def test_others_may_not(api: Api, origin: str) -> None:
    assert preflight(api, origin).status_code >= 400
    headers = {"origin": origin, "sec-fetch-site": "cross-site"}
    answer = api.http.post("/v1/chat/completions", json={"messages": SAY}, headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_options_that_an_engine_lacks_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.scripted.ALL_OPTIONS", frozenset({"presence_penalty"}))
    with serving(scripted_settings(tmp_path)) as plain:
        assert reply(plain, presence_penalty=1) == "You said: Say hi."
        for name, value in (("frequency_penalty", 1), ("logit_bias", {"5": 1}), ("response_format", JSON_OBJECT)):
            for stream in (False, True):
                body = {"messages": SAY, "stream": stream, name: value}
                answer = plain.http.post("/v1/chat/completions", json=body)
                assert answer.status_code == 422
                assert f"`{name}`" in answer.json()["error"]["message"]


JSON_OBJECT = {"type": "json_object"}
