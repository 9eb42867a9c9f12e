"""Right requests made wrong, one place at a time: whatever is sent, the server answers in time and never fails.

For longer: ``PARLEY_FUZZ_ROUNDS=200 pytest tests/api/test_fuzz.py``.
"""

from __future__ import annotations

import copy
import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.servers import Api

ROUNDS = int(os.environ.get("PARLEY_FUZZ_ROUNDS", "40"))
SLOW_S = 1.0  # of CPU time, which other programs on the machine don't prolong; it is usually below a tenth of that

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**400, -(10**18), float("nan"), float("inf")),
    *("", " ", "x" * 70_000, "\0", "\ud800", "﷽🎉\u202e", "../../x", "01JDC3W9RS5V0EXAMPLE000000"),
    *([], {}, [[1]], [None], ["x"] * 200, {"": {}}, {"x" * 70_000: 1}, [{"role": "user", "content": "x"}]),
)
HEADERS = {
    "Origin": ("null", "http://[", "http://evil.example", "http://½", "//", "x" * 5000),
    "Host": ("", "[", "[::1", "evil.example", "127.0.0.1:99999999", "½"),
    "Accept": ("text/event-stream", "\x80", "*/*;q=x", "x" * 300),
    "Accept-Language": ("zh", ",,;=", "\xff", "-", "x" * 5000),
    "Content-Type": ("text/plain", "application/json; charset=utf-16", "multipart/form-data", ""),
    "Last-Event-ID": ("x", "\xff", "-1", "00000000-" + "9" * 50),
    "Sec-Fetch-Site": ("cross-site", "x"),
}
QUERY = (
    *("q=%00", "q=%ff", "q=\"*'", "q=" + "x" * 300),
    *("limit=-1", "limit=1e3", "cursor=x", "cursor=%ed%a0%80", "format=x"),
)


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is spoiled so little that it still names a model asks nobody outside."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@dataclass
class Request:
    method: str
    path: str
    body: Any = None


def right_requests(api: Api) -> list[Request]:
    """One for each thing that the API takes a body or a query for, about things that are there."""
    conversation = api.conversation(title="Fuzz")
    asked = api.ask(conversation, "Hello")
    reply = api.finished(conversation, asked["reply"]["id"])["id"]
    at = f"/api/conversations/{conversation}"
    sampling = {"temperature": 0.5, "seed": 1, "stop": ["END"], "top_k": 5}
    question = {"content": "x", "parent_id": reply, "model_id": "test", "sampling": sampling}
    original = {"prompt": "x", "history": [["q", "a"]], "max_length": 50, "top_p": 0.5, "temperature": 1}
    exported = api.http.get(f"{at}/export?format=json").json()
    exported["messages"][1]["rating"] = {"verdict": "up", "reasons": ["wrong"], "comment": "", "score": 3}
    tree = {"a": {"id": "a", "parentId": None, "role": "user", "content": "x"}}
    turns = [{"role": "user", "content": [{"type": "text", "text": "x"}]}, {"role": "assistant", "content": "y"}]
    comparison = {"content": "x", "parent_id": None, "blind": True, "source": "ranking"}
    comparison["contenders"] = [{"model_id": "test", "sampling": sampling}, {"model_id": "other"}]
    other = api.http.post(f"/api/messages/{reply}/correction", json={"content": "y"}).json()["message"]["id"]
    items = [{"message_id": reply, "rank": 1, "position": 0}, {"message_id": other, "rank": 2, "position": 1}]
    rated = api.http.get(f"/api/messages/{reply}/judgements").json()[0]["id"]
    filters = {"since": "2026-11-24T00:00:00Z", "languages": ["zh"], "kinds": ["pair"], "min_score": 3}
    dataset = {"formats": ["trl_pairs"], "filters": filters, "test_share": 0.1, "scrub": True}
    return [
        Request("GET", "/api/conversations"),
        Request("POST", "/api/conversations", {"title": "x", "model_id": "test", "sampling": sampling}),
        Request("POST", "/api/conversations/import", exported),
        Request("POST", "/api/conversations/import", {"chat": {"history": {"messages": tree, "currentId": "a"}}}),
        Request("POST", "/api/conversations/import", {"messages": [{"role": "user", "content": "x"}], "title": "x"}),
        Request("GET", at),
        Request("GET", f"{at}/export"),
        Request("PATCH", at, {"title": "x", "model_id": None, "sampling": sampling, "pinned": True, "leaf_id": reply}),
        Request("PATCH", at, {"sampling_changes": sampling}),
        Request("POST", f"{at}/messages", question),
        Request("POST", f"/api/messages/{asked['question']['id']}/edit", {"content": "x", "sampling": sampling}),
        Request("POST", f"/api/messages/{reply}/regenerate", {"model_id": "test", "sampling": sampling}),
        Request("POST", f"/api/messages/{reply}/continue"),
        Request("POST", f"/api/messages/{reply}/stop"),
        Request("PUT", f"/api/messages/{reply}/rating", {"verdict": "up", "reasons": ["wrong"], "score": 3}),
        Request("PUT", f"/api/messages/{reply}/rating", {"verdict": "down", "comment": "x", "score": None}),
        Request("POST", f"/api/messages/{reply}/correction", {"content": "better"}),
        Request("GET", f"/api/messages/{reply}/judgements"),
        Request("POST", f"{at}/compare", comparison),
        Request("POST", "/api/rankings", {"source": "side_by_side", "items": items, "blind": True, "both_bad": False}),
        Request("DELETE", "/api/rankings/x"),
        Request("GET", "/api/feedback/judgements"),
        Request("PUT", f"/api/feedback/judgements/{rated}/review", {"decision": "accepted", "note": "x"}),
        Request("GET", "/api/feedback/leaderboard"),
        Request("GET", "/api/datasets"),
        Request("POST", "/api/datasets/preview", dataset),
        Request("POST", "/api/datasets", {"name": "x", **dataset}),
        Request("GET", "/api/jobs"),
        Request("GET", "/api/models"),
        Request("POST", "/api/models/test/pull"),
        Request("POST", "/api/models/test/load"),
        Request("POST", "/api/models/pull", {"source": "hub:owner/name:file.gguf@main"}),
        Request("POST", "/v1/chat/completions", {"messages": turns, "max_tokens": 5, "n": 1, "min_p": 0.1, **sampling}),
        Request("POST", "/v1/chat/completions", {"messages": turns, "stream": True, "stream_options": {}, "seed": 1}),
        Request("POST", "/", original),
    ]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside a JSON value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def spoiled(body: Any, rng: random.Random) -> Any:
    """`body` with one value replaced, left out or added."""
    whole = {"": copy.deepcopy(body)}
    container, key = rng.choice(list(places(whole)))
    match rng.randrange(6):
        case 0:
            del container[key]
        case 1 if isinstance(container[key], dict):
            container[key][rng.choice(("", "x", "id", "role", "x" * 70_000))] = rng.choice(NASTY)
        case _:
            container[key] = rng.choice(NASTY)
    return whole.get("")


def encoded(body: Any, rng: random.Random) -> bytes:
    """As bytes, now and then cut, scribbled over or too deep."""
    raw = json.dumps(body).encode()
    match rng.randrange(20):
        case 0:
            return raw[: rng.randrange(len(raw) + 1)]
        case 1:
            at = rng.randrange(len(raw))
            return raw[:at] + rng.randbytes(3) + raw[at:]
        case 2:
            return raw.replace(b"null", b"[" * 3000 + b"]" * 3000)
        case _:
            return raw


def send(api: Api, request: Request, rng: random.Random) -> httpx.Response:
    headers = {"Content-Type": "application/json"} if request.body is not None else {}
    if rng.random() < 0.2:
        name = rng.choice(list(HEADERS))
        headers[name] = rng.choice(HEADERS[name])
    query = f"?{rng.choice(QUERY)}" if request.method == "GET" and rng.random() < 0.7 else ""
    content = None if request.body is None else encoded(spoiled(request.body, rng), rng)
    sent = {k: v.encode("latin-1") for k, v in headers.items()}
    return api.http.request(request.method, f"{request.path}{query}", content=content, headers=sent)


# Reading a file starts a process, so files take longest: one kind is enough unless all tests are wanted.
WHICH = [pytest.param(n, marks=pytest.mark.slow) if n in (3, 4) else n for n in range(35)]


@pytest.mark.parametrize("which", WHICH)
def test_spoiled_requests_are_answered_and_break_nothing(shared_api: Api, which: int) -> None:
    requests = right_requests(shared_api)
    assert len(requests) == len(WHICH)
    rng = random.Random(which)
    is_file = requests[which].path.endswith("/import")
    for n in range(ROUNDS // 2 if is_file else ROUNDS):
        began_s = time.process_time()  # the server is a thread of this process
        answer = send(shared_api, requests[which], rng)
        spent_s = time.process_time() - began_s
        told = f"{requests[which]}, round {n}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500 or answer.json()["error"]["code"] == "queue_full", told
        assert spent_s < SLOW_S, told
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"code", "message", "details"}, told
            assert len(answer.text) < 2000, "what was sent is not sent back"
    assert shared_api.answer(shared_api.conversation(), "Hello")["content"] == "You said: Hello"
