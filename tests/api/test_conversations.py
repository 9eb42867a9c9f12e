from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from app.api.schemas import SamplingOverrides
from app.domain.limits import MAX_MESSAGE_CHARS, MAX_SYSTEM_PROMPT_CHARS
from app.domain.sampling import OVERRIDES
from app.engine.base import EngineFactory
from app.engine.scripted import ScriptedEngine, echo
from app.main import create_app
from tests.support.servers import Api, running, scripted_settings


def test_a_conversation_is_made_renamed_pinned_trashed_and_restored(api: Api) -> None:
    first, second = api.conversation(title="one"), api.conversation(title="two")
    url = f"/api/conversations/{first}"
    assert api.http.patch(url, json={"title": "Eins", "pinned": True}).json()["title"] == "Eins"
    listed = api.http.get("/api/conversations").json()["items"]
    assert [c["id"] for c in listed] == [first, second]
    assert api.http.delete(url).status_code == 204
    assert api.http.get(url).status_code == 404
    assert [c["id"] for c in api.http.get("/api/conversations").json()["items"]] == [second]
    assert api.http.post(f"{url}/restore").json()["title"] == "Eins"
    assert api.http.get(url).status_code == 200


def test_the_list_goes_on_where_a_page_ended(api: Api) -> None:
    made = [api.conversation(title=str(n)) for n in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = api.http.get("/api/conversations", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [c["id"] for c in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


def test_search_finds_two_chinese_characters_and_says_where(api: Api) -> None:
    wanted, other = api.conversation(), api.conversation()
    api.answer(wanted, "今天的天气怎么样？")
    api.answer(other, "Tell me about rivers")
    items = api.http.get("/api/conversations", params={"q": "天气"}).json()["items"]
    assert [c["id"] for c in items] == [wanted]
    match = items[0]["match"]
    start, end = match["ranges"][0]
    assert match["snippet"][start:end] == "天气"


def test_a_conversation_names_itself_after_its_first_question(api: Api) -> None:
    conversation = api.conversation()
    api.answer(conversation, "Why is the sky blue?")
    assert api.http.get(f"/api/conversations/{conversation}").json()["title"] == "Why is the sky blue?"
    api.http.patch(f"/api/conversations/{conversation}", json={"title": "Mine"})
    last = api.http.get(f"/api/conversations/{conversation}").json()["leaf_id"]
    api.answer(conversation, "And at night?", last)
    assert api.http.get(f"/api/conversations/{conversation}").json()["title"] == "Mine"


def test_settings_of_a_conversation_reach_the_reply(api: Api) -> None:
    conversation = api.conversation(system_prompt="Be kind.", sampling={"temperature": 0.1, "seed": 7})
    reply = api.answer(conversation, "Hello", sampling={"top_p": 0.5})
    sampling = reply["provenance"]["sampling"]
    assert (sampling["temperature"], sampling["seed"], sampling["top_p"]) == (0.1, 7, 0.5)
    assert reply["provenance"]["system_prompt"] == "Be kind."


def test_sampling_is_replaced_as_a_whole_and_can_be_cleared(api: Api) -> None:
    conversation = api.conversation(sampling={"temperature": 0.1})
    url = f"/api/conversations/{conversation}"
    assert api.http.patch(url, json={"sampling": {"top_k": 3}}).json()["sampling"] == {"top_k": 3}
    assert api.http.patch(url, json={"sampling": None}).json()["sampling"] == {}


def test_changes_of_sampling_leave_the_rest_as_it_is(api: Api) -> None:
    conversation = api.conversation(sampling={"temperature": 0.1, "seed": 7})
    url = f"/api/conversations/{conversation}"
    changes = {"sampling_changes": {"top_k": 3, "seed": None}}
    assert api.http.patch(url, json=changes).json()["sampling"] == {"temperature": 0.1, "top_k": 3}
    both = {"sampling": {"top_p": 0.5}, "sampling_changes": {"top_k": 5}}
    assert api.http.patch(url, json=both).json()["sampling"] == {"top_p": 0.5, "top_k": 5}
    for bad in ({"temperature": 9}, {"flavour": 1}):
        assert api.http.patch(url, json={"sampling_changes": bad}).status_code == 422
    assert api.http.patch(url, json={"sampling_changes": None}).json()["sampling"] == {"top_p": 0.5, "top_k": 5}


def test_json_export_comes_back_by_import(api: Api) -> None:
    conversation = api.conversation(system_prompt="Short.", title="Original")
    first = api.answer(conversation, "One")
    api.answer(conversation, "Two", first["id"])
    again = api.http.post(f"/api/messages/{first['id']}/regenerate").json()["reply"]
    api.finished(conversation, again["id"])
    api.http.put(f"/api/messages/{first['id']}/rating", json={"verdict": "down", "reasons": ["wrong"], "comment": "no"})
    exported = api.http.get(f"/api/conversations/{conversation}/export", params={"format": "json"})
    assert "attachment" in exported.headers["content-disposition"]
    made = api.http.post("/api/conversations/import", json=exported.json())
    assert made.status_code == 201, made.text
    before, after = api.messages(conversation), api.messages(made.json()["id"])
    assert sorted(m["content"] for m in before.values()) == sorted(m["content"] for m in after.values())
    assert made.json()["title"] == "Original"
    assert [m["rating"]["comment"] for m in after.values() if m["rating"]] == ["no"]


def test_markdown_export_holds_the_shown_path_only(api: Api) -> None:
    conversation = api.conversation()
    question = api.ask(conversation, "First try")["question"]
    edited = api.http.post(f"/api/messages/{question['id']}/edit", json={"content": "Second try"}).json()
    api.finished(conversation, edited["reply"]["id"])
    text = api.http.get(f"/api/conversations/{conversation}/export").text
    assert "Second try" in text
    assert "First try" not in text.partition("\n")[2]


def test_other_programs_exports_are_read(api: Api) -> None:
    openai = {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "a"},
        ]
    }
    sharegpt = {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}
    webui = [
        {
            "title": "t",
            "chat": {
                "history": {
                    "currentId": "2",
                    "messages": {
                        "1": {"id": "1", "parentId": None, "role": "user", "content": "q"},
                        "2": {"id": "2", "parentId": "1", "role": "assistant", "content": "a"},
                    },
                }
            },
        }
    ]
    for given in (openai, sharegpt, webui):
        made = api.http.post("/api/conversations/import", json=given)
        assert made.status_code == 201, made.text
        assert [m["content"] for m in api.messages(made.json()["id"]).values()] == ["q", "a"]


def test_what_cannot_be_imported_says_why_and_stores_nothing(api: Api) -> None:
    own = {"format": "parley.conversation", "version": 1, "conversation": {}}
    bad: list[object] = [
        [],
        {},
        7,
        "text",
        {"messages": []},
        {"messages": [{"role": "pirate", "content": "x"}]},
        {"messages": [1]},
        {**own, "version": 99, "messages": []},
        {"conversations": [{"from": "gpt", "value": None}]},
        {"messages": [{"role": "x" * 100_000, "content": "x"}]},
        {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": None}]},
    ]
    for given in bad:
        answer = api.http.post("/api/conversations/import", json=given)
        assert answer.status_code == 422, (given, answer.text)
        assert answer.json()["error"]["code"] in ("invalid_import", "invalid_request")
        assert len(answer.text) < 500, "what was sent is not sent back"
    assert api.http.get("/api/conversations").json()["items"] == []


def test_a_file_cannot_set_what_a_request_could_not(api: Api) -> None:
    assert SamplingOverrides.model_fields.keys() == OVERRIDES
    own = {"format": "parley.conversation", "version": 1}
    question = {"id": "a", "role": "user", "content": "x"}
    for settings in (
        {"sampling": {"ignore_eos": True}},
        {"sampling": {"temperature": 3}},
        {"sampling": {"max_new_tokens": 10**9}},
        {"sampling": {"flavour": 1}},
        {"sampling": {"stop": [5]}},
        {"sampling": [[1]]},
    ):
        assert api.http.post("/api/conversations", json=settings).status_code == 422, "the API itself refuses it"
        made = api.http.post(
            "/api/conversations/import", json={**own, "conversation": settings, "messages": [question]}
        )
        assert (made.json()["sampling"], made.json()["report"]["changed"]) == ({}, {"settings": 1}), settings
    long = {"system_prompt": "x" * (MAX_SYSTEM_PROMPT_CHARS + 1)}
    text = "y" * (MAX_MESSAGE_CHARS + 1)
    made = api.http.post(
        "/api/conversations/import", json={**own, "conversation": long, "messages": [{**question, "content": text}]}
    ).json()
    assert made["system_prompt"] == "x" * MAX_SYSTEM_PROMPT_CHARS
    assert [m["content"] for m in api.messages(made["id"]).values()] == ["y" * MAX_MESSAGE_CHARS]
    assert made["report"]["changed"] == {"shortened": 2}


def test_ratings_in_a_file_that_make_no_sense_are_left_out(api: Api) -> None:
    own = {"format": "parley.conversation", "version": 1}
    for rating in ({"verdict": ["up"]}, {"verdict": "up", "reasons": 5, "comment": [], "score": True}):
        reply = {"id": "a", "role": "assistant", "content": "x", "rating": rating}
        made = api.http.post("/api/conversations/import", json={**own, "messages": [reply]})
        assert made.status_code == 201, made.text


def test_settings_that_no_reply_could_use_are_refused_at_once(api: Api) -> None:
    for bad in ({"sampling": {"seed": 10**400}}, {"sampling": {"top_p": 0}}, {"model_id": "nobody"}):
        assert api.http.post("/api/conversations", json=bad).status_code in (404, 422), bad


def test_a_renamed_conversation_keeps_its_name_while_the_model_is_loaded(tmp_path: Path) -> None:
    settings = scripted_settings(tmp_path)
    slow = SlowToLoad(echo(delay_ms=0))
    app = create_app(settings, {"scripted": EngineFactory("scripted", lambda _: slow)})
    with running(app, settings) as api:
        conversation = api.conversation()
        asking = threading.Thread(target=api.ask, args=(conversation, "What is it called?"))
        asking.start()
        slow.loading.wait(5)
        api.http.patch(f"/api/conversations/{conversation}", json={"title": "Mine"})
        slow.go_on.set()
        asking.join()
        assert api.http.get(f"/api/conversations/{conversation}").json()["title"] == "Mine"


class SlowToLoad(ScriptedEngine):
    """Loads when it is told to."""

    loading, go_on = threading.Event(), threading.Event()

    async def start(self) -> None:
        self.loading.set()
        await asyncio.to_thread(self.go_on.wait, 5)
        await super().start()
