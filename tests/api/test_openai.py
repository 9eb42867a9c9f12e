from __future__ import annotations

import time

import httpx
import openai
import pytest

from tests.support.servers import Api


@pytest.fixture
def client(api: Api) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0)


HELLO = [{"role": "user", "content": "Hello"}]


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert {m.id for m in client.models.list()} == {"test", "other"}


def test_a_reply_at_once(client: openai.OpenAI) -> None:
    done = client.chat.completions.create(model="test", messages=HELLO)  # type: ignore[arg-type]
    assert done.choices[0].message.content == "You said: Hello"
    assert done.choices[0].finish_reason == "stop"
    assert done.usage is not None
    assert done.usage.completion_tokens == 3
    assert done.usage.total_tokens == done.usage.prompt_tokens + 3


def test_a_streamed_reply_with_usage(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="test",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},  # type: ignore[arg-type]
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "You said: Hello"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 3


def test_stop_length_and_extras(client: openai.OpenAI) -> None:
    stopped = client.chat.completions.create(model="test", messages=HELLO, stop=["said"])  # type: ignore[arg-type]
    assert stopped.choices[0].message.content == "You "
    extras = {"ignore_eos": True, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "some_other_servers_option": 1}
    long = client.chat.completions.create(model="test", messages=HELLO, max_tokens=9, seed=3, extra_body=extras)  # type: ignore[arg-type]
    assert long.choices[0].finish_reason == "length"
    assert long.usage is not None
    assert long.usage.completion_tokens == 9


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"n": 17}, 422),
        ({"n": 0}, 422),
        ({"logprobs": True}, 422),
        ({"top_logprobs": 3}, 422),
        ({"functions": [{"name": "f"}]}, 422),
        ({"modalities": ["audio"]}, 422),
        ({"presence_penalty": 3}, 422),
        ({"logit_bias": {"5": 101}}, 422),
        ({"response_format": {"type": "grammar"}}, 422),
        ({"extra_body": {"continue_final_message": True}}, 422),
        ({"model": "nobody"}, 404),
        ({"temperature": 9.0}, 422),
        ({"messages": []}, 422),
        ({"messages": [{"role": "user", "content": ""}]}, 422),
        ({"messages": [{"role": "user", "content": "word " * 600}]}, 400),
        ({"stop": ["x"] * 99}, 422),
    ],
)
def test_refusals_have_a_real_status_streaming_or_not(
    client: openai.OpenAI, changes: dict[str, object], status: int
) -> None:
    for stream in (False, True):
        body = {"model": "test", "messages": HELLO, "stream": stream} | changes
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(**body)  # type: ignore[call-overload]
        assert caught.value.status_code == status


def test_an_error_in_the_stream_is_told(api: Api) -> None:
    body = {"model": "test", "stream": True, "messages": [{"role": "user", "content": "fail now"}]}
    text = api.http.post("/v1/chat/completions", json=body).text
    assert '"code": "generation_failed"' in text
    assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [True, False])
def test_clients_that_go_away_free_their_slots(api: Api, stream: bool) -> None:
    body = {"model": "test", "stream": stream, "messages": [{"role": "user", "content": "hang"}]}
    for _ in range(12):  # three times the slots
        if stream:
            with httpx.stream("POST", f"{api.url}/v1/chat/completions", json=body) as r:
                next(r.iter_raw())
        else:
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{api.url}/v1/chat/completions", json=body, timeout=0.1)
    deadline = time.monotonic() + 3
    while any(m.running for m in api.parts.pool.snapshot()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [(m.running, m.waiting, m.leases) for m in api.parts.pool.snapshot()] == [(0, 0, 0)]


def test_the_original_chatglm_service(api: Api) -> None:
    answer = api.http.post("/", json={"prompt": "你好", "history": [["a", "b"]]}).json()
    assert answer["response"] == "You said: 你好"
    assert answer["history"] == [["a", "b"], ["你好", "You said: 你好"]]
    assert answer["status"] == 200
    assert len(answer["time"]) == 19
    short = api.http.post("/", json={"prompt": "你好", "history": [], "max_length": 0, "top_p": 0, "temperature": 0})
    assert short.json()["response"] == "You said: 你好"
    assert api.http.post("/", json={"history": []}).status_code == 422
