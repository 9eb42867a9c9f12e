"""Reasoning over HTTP: streamed, stored, continued, exported, imported, and on /v1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.generation import GenerationRequest
from app.engine.scripted import Reply
from tests.support.servers import Api, scripted_settings, serving

THOUGHT = "The person asks for 2+2.\n\n1. Two and two.\n2. Four."
ANSWER = "The answer is **4**."
WHOLE = f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"
SWITCH = '\n[reasoning]\nswitch = "enable_thinking"\n'


def script(request: GenerationRequest) -> Reply:
    prompt = request.prompt.text
    if prompt.endswith("</think>\n\n"):
        return Reply.of("Without thinking.")
    question = prompt.rpartition("user: ")[2].partition("\n")[0]
    replies = {
        "what is in the prompt?": Reply.of(repr(prompt)),
        "only think": Reply.of(f"<think>{THOUGHT}</think>"),
        "open": Reply.of(f"{THOUGHT}\n</think>\n\n{ANSWER}"),
        "think and hang": Reply(("<think>", THOUGHT), hangs=True),
        "answer and hang": Reply(("<think>", THOUGHT, "</think>", "The "), hangs=True),
    }
    if prompt.endswith(THOUGHT):  # continued
        return Reply.of(f" Yes.\n</think>\n\n{ANSWER}")
    return replies.get(question, Reply.of(WHOLE))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("reasoning")
    settings = scripted_settings(folder, models=("test", "switchable"))
    manifest = Path(folder / "store" / "manifests" / "switchable.toml")
    manifest.write_text(manifest.read_text() + SWITCH)
    with serving(settings, script) as found:
        yield found


def replied(api: Api, question: str, conversation_id: str | None = None, **values: Any) -> tuple[str, dict[str, Any]]:
    conversation_id = conversation_id or api.conversation()
    reply = api.ask(conversation_id, question, **values)["reply"]
    return conversation_id, api.finished(conversation_id, reply["id"])


def deltas(api: Api, reply: dict[str, Any]) -> dict[str, str]:
    """The texts of a running reply's events so far, until both have something."""
    found = {"reasoning": "", "delta": ""}
    events = f"/api/conversations/{reply['conversation_id']}/events"
    with api.http.stream("GET", events) as stream:
        name = ""
        for line in stream.iter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            if not line.startswith("data: "):
                continue
            data = json.loads(line.removeprefix("data: "))
            for running in data.get("running", ()):
                found["reasoning"] += running["reasoning"]
                found["delta"] += running["text"]
            if name in found:
                found[name] += data["text"]
            if found["delta"] and found["reasoning"] == THOUGHT:
                break
    return found


def test_reasoning_is_stored_apart(api: Api) -> None:
    conversation_id, reply = replied(api, "2+2?")
    assert (reply["content"], reply["reasoning"]) == (ANSWER, THOUGHT)
    assert reply["timing"]["thinking_ms"] is not None
    for query, hits in (("answer", 1), ("person", 0)):
        found = api.http.get("/api/conversations", params={"q": query}).json()["items"]
        assert sum(item["id"] == conversation_id for item in found) == hits
    _, asked = replied(api, "what is in the prompt?", conversation_id, parent_id=reply["id"])
    assert ANSWER in asked["content"]
    assert "Two and two" not in asked["content"]


def test_reasoning_without_an_opening_tag_is_found_at_its_end(api: Api) -> None:
    _, reply = replied(api, "open")
    assert (reply["content"], reply["reasoning"]) == (ANSWER, THOUGHT)


def test_reasoning_only_is_no_empty_reply(api: Api) -> None:
    _, reply = replied(api, "only think")
    assert (reply["state"], reply["content"], reply["reasoning"]) == ("complete", "", THOUGHT)


def test_events_bring_both_texts_and_a_stop_keeps_them(api: Api) -> None:
    conversation_id = api.conversation()
    reply = api.ask(conversation_id, "answer and hang")["reply"]
    assert deltas(api, reply) == {"reasoning": THOUGHT, "delta": "The "}
    shown = api.messages(conversation_id)[reply["id"]]
    assert (shown["content"], shown["reasoning"]) == ("The ", THOUGHT)
    stopped = api.http.post(f"/api/messages/{reply['id']}/stop").json()
    assert (stopped["state"], stopped["content"], stopped["reasoning"]) == ("cancelled", "The ", THOUGHT)


def test_a_reply_stopped_while_it_thinks_is_continued(api: Api) -> None:
    conversation_id = api.conversation()
    reply = api.ask(conversation_id, "think and hang")["reply"]
    while not api.messages(conversation_id)[reply["id"]]["reasoning"]:
        pass
    stopped = api.http.post(f"/api/messages/{reply['id']}/stop").json()
    assert (stopped["state"], stopped["content"], stopped["reasoning"]) == ("cancelled", "", THOUGHT)
    begun = api.http.post(f"/api/messages/{reply['id']}/continue", json={}).json()["reply"]
    assert begun["reasoning"] == THOUGHT
    ended = api.finished(conversation_id, begun["id"])
    assert (ended["content"], ended["reasoning"]) == (ANSWER, f"{THOUGHT} Yes.")
    assert ended["timing"]["thinking_ms"] >= stopped["timing"]["thinking_ms"]


def test_the_switch_of_a_conversation_and_of_a_request(api: Api) -> None:
    conversation_id = api.conversation(sampling={"thinking": False}, model_id="switchable")
    assert replied(api, "2+2?", conversation_id)[1]["reasoning"] == ""
    _, reply = replied(api, "2+2?", sampling={"thinking": False})
    assert reply["content"] == "Without thinking."
    assert reply["provenance"]["sampling"]["thinking"] is False
    models = {m["id"]: m["thinking"] for m in api.http.get("/api/models").json()["items"]}
    assert models["switchable"] == {"thinks": True, "switch": True, "limit": True}
    assert models["test"] == {"thinks": False, "switch": False, "limit": True}


def test_exports_have_it_only_if_asked_and_our_import_gets_it_back(api: Api) -> None:
    conversation_id, _ = replied(api, "2+2?")
    export = f"/api/conversations/{conversation_id}/export"
    assert "Two and two" not in api.http.get(export).text
    assert "> 1. Two and two." in api.http.get(export, params={"reasoning": True}).text
    data = api.http.get(export, params={"format": "json"}).json()
    assert data["messages"][1]["reasoning"] == THOUGHT
    made = api.http.post("/api/conversations/import", json=data).json()
    assert [m["reasoning"] for m in api.messages(made["id"]).values()] == ["", THOUGHT]


@pytest.mark.parametrize(
    "reply",
    [
        {"content": WHOLE},
        {"content": WHOLE.removeprefix("<think>\n")},
        {"content": ANSWER, "reasoning_content": THOUGHT},
        {
            "content": '<details type="reasoning" done="true" duration="8">\n<summary>Thought for 8 seconds</summary>\n'
            + "\n".join(f"> {line}" for line in THOUGHT.split("\n"))
            + f"\n</details>\n{ANSWER}"
        },
    ],
    ids=["tags", "closing tag", "field", "Open WebUI"],
)
def test_imports_keep_reasoning_apart(api: Api, reply: dict[str, str]) -> None:
    question = {"role": "user", "content": "2+2?"}
    data = {"messages": [question, {"role": "assistant", **reply}]}
    made = api.http.post("/api/conversations/import", json=data).json()
    imported = list(api.messages(made["id"]).values())[-1]
    assert (imported["content"], imported["reasoning"]) == (ANSWER, THOUGHT)


def v1(api: Api, question: str = "2+2?", **values: Any) -> Any:
    body = {"model": "test", "messages": [{"role": "user", "content": question}], **values}
    return api.http.post("/v1/chat/completions", json=body)


def test_v1_gives_reasoning_in_a_field_of_its_own(api: Api) -> None:
    for question in ("2+2?", "open"):
        message = v1(api, question).json()["choices"][0]["message"]
        assert message == {"role": "assistant", "content": ANSWER, "reasoning_content": THOUGHT}
    lines = [line for line in v1(api, stream=True).text.split("\n") if line.startswith("data: {")]
    pieces = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"] for line in lines]
    assert "".join(piece.get("reasoning_content", "") for piece in pieces) == THOUGHT
    assert "".join(piece.get("content", "") for piece in pieces) == ANSWER


@pytest.mark.parametrize(
    "told",
    [
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"chat_template_kwargs": {"thinking": False}},
        {"enable_thinking": False},
        {"reasoning_effort": "none"},
    ],
)
def test_v1_has_the_switch(api: Api, told: dict[str, Any]) -> None:
    assert v1(api, **told).json()["choices"][0]["message"] == {"role": "assistant", "content": "Without thinking."}


def test_v1_without_a_wish_leaves_it_to_the_model(api: Api) -> None:
    for told in ({"reasoning_effort": "high"}, {"chat_template_kwargs": None}, {"reasoning_effort": None}):
        assert "reasoning_content" in v1(api, **told).json()["choices"][0]["message"]


def test_v1_ends_reasoning_at_its_limit(api: Api) -> None:
    message = v1(api, thinking_budget=4).json()["choices"][0]["message"]
    assert message["content"] == "Without thinking."
    assert THOUGHT.startswith(message["reasoning_content"])
    assert v1(api, thinking_budget=-1).json()["choices"][0]["message"]["content"] == ANSWER


def test_v1_drops_the_reasoning_of_earlier_replies(api: Api) -> None:
    for earlier in ({"content": ANSWER, "reasoning_content": THOUGHT}, {"content": WHOLE}):
        messages = [
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", **earlier},
            {"role": "user", "content": "what is in the prompt?"},
        ]
        text = v1(api, messages=messages).json()["choices"][0]["message"]["content"]
        assert ANSWER in text
        assert "Two and two" not in text
