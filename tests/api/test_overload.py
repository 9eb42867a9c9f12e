"""A full queue refuses before any work on the prompt, and a place is given back whatever happens to its request."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from app.domain.generation import Prompt
from app.domain.messages import Turn
from app.engine.scripted import ScriptedEngine
from tests.support.servers import Api

HELLO = [{"role": "user", "content": "Hello"}]
PLACES = 6  # of the fixture `shared_api`: four slots and two to wait
NOT_STORED: dict[str, tuple[str, dict[str, Any]]] = {
    "completion": ("/v1/chat/completions", {"messages": HELLO}),
    "stream": ("/v1/chat/completions", {"messages": HELLO, "stream": True}),
    "chatglm": ("/", {"prompt": "Hello"}),
}


class Renderings:
    """Counts the prompts that are rendered; each of them takes `seconds`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> None:
        self.begun = 0
        render = ScriptedEngine.render

        async def counted(engine: ScriptedEngine, turns: Sequence[Turn], *rest: Any, **more: Any) -> Prompt:
            self.begun += 1
            await asyncio.sleep(seconds)
            return await render(engine, turns, *rest, **more)

        monkeypatch.setattr(ScriptedEngine, "render", counted)


def fill(api: Api) -> list[str]:
    """Take all places; the replies that have them."""
    return [api.ask(api.conversation(), "hang")["reply"]["id"] for _ in range(PLACES)]


def in_use(api: Api) -> list[tuple[int, int, int]]:
    return [(m.running, m.waiting, m.leases) for m in api.parts.pool.snapshot()]


def wait_until_free(api: Api) -> None:
    deadline = time.monotonic() + 10
    while in_use(api) != [(0, 0, 0)]:
        assert time.monotonic() < deadline, in_use(api)
        time.sleep(0.02)


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "queue_full"
    assert int(answer.headers["retry-after"]) >= 1


def test_a_full_queue_refuses_before_the_prompt_is_rendered(shared_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = shared_api.conversation()
    question, reply = (shared_api.answer(conversation, "Hello")[key] for key in ("parent_id", "id"))
    before = shared_api.messages(conversation)
    running = fill(shared_api)
    renderings = Renderings(monkeypatch)
    for path, body in [
        (f"/api/conversations/{conversation}/messages", {"content": "word " * 4000, "parent_id": reply}),
        (f"/api/messages/{question}/edit", {"content": "Hello again"}),
        (f"/api/messages/{reply}/regenerate", {}),
        (f"/api/messages/{reply}/continue", {}),
        *NOT_STORED.values(),
    ]:
        refused(shared_api.http.post(path, json=body))
    assert renderings.begun == 0
    assert shared_api.messages(conversation) == before
    for reply_id in running:
        shared_api.http.post(f"/api/messages/{reply_id}/stop").raise_for_status()
    assert shared_api.answer(conversation, "Hello", reply)["content"] == "You said: Hello"
    assert renderings.begun == 1


def test_a_prompt_too_long_gives_its_place_back(shared_api: Api) -> None:
    long = "word " * 600
    for _ in range(PLACES + 1):
        asked = shared_api.http.post(f"/api/conversations/{shared_api.conversation()}/messages", json={"content": long})
        assert asked.json()["error"]["code"] == "prompt_too_long"
        body = {"messages": [{"role": "user", "content": long}]}
        assert shared_api.http.post("/v1/chat/completions", json=body).json()["error"]["code"] == "prompt_too_long"
    wait_until_free(shared_api)


@pytest.mark.parametrize("name", NOT_STORED)
def test_a_client_that_leaves_while_its_prompt_is_rendered_gives_its_place_back(
    shared_api: Api, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shared_api.answer(shared_api.conversation(), "Hello")  # loads the model
    renderings = Renderings(monkeypatch, seconds=60)
    path, body = NOT_STORED[name]
    raw = json.dumps(body).encode()
    address = urlsplit(shared_api.url)
    head = f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
    for n in (1, 2):
        with socket.create_connection((address.hostname, address.port), timeout=10) as client:
            client.sendall(f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)
            deadline = time.monotonic() + 10
            while renderings.begun < n:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    wait_until_free(shared_api)
    assert renderings.begun == 2
