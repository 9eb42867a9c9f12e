from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.engine.loaded import LoadedModel
from app.engine.pool import ModelPool
from app.feedback.rate_limit import RateLimit
from tests.api.test_replies import subscribed
from tests.support.servers import Api


def two_replies(api: Api) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A conversation, and two finished replies to the same question."""
    conversation = api.conversation()
    first = api.ask(conversation, "Hello there")["reply"]
    api.finished(conversation, first["id"])
    second = api.http.post(f"/api/messages/{first['id']}/regenerate", json={"model_id": "other"}).json()["reply"]
    return conversation, api.finished(conversation, first["id"]), api.finished(conversation, second["id"])


def rank(api: Api, *items: dict[str, Any], source: str = "regenerate", **more: Any) -> Any:
    return api.http.post("/api/rankings", json={"source": source, "items": list(items), **more})


def item(message: dict[str, Any], rank: int | None, **more: Any) -> dict[str, Any]:
    return {"message_id": message["id"], "rank": rank, **more}


def opened(api: Api, conversation: str) -> dict[str, Any]:
    return dict(api.http.get(f"/api/conversations/{conversation}").json())


def test_a_ranking_is_there_after_a_reload_can_be_changed_and_withdrawn(api: Api) -> None:
    conversation, first, second = two_replies(api)
    given = rank(api, item(second, 1), item(first, 2))
    assert given.status_code == 201
    assert [(x["message_id"], x["rank"]) for x in given.json()["items"]] == [(second["id"], 1), (first["id"], 2)]
    changed = rank(api, item(first, 1), item(second, 1)).json()
    assert [r["id"] for r in opened(api, conversation)["rankings"]] == [changed["id"]]
    withdrawn = api.http.delete(f"/api/rankings/{changed['id']}").json()
    assert withdrawn["withdrawn"] is True
    assert opened(api, conversation)["rankings"] == []
    assert api.http.delete(f"/api/rankings/{changed['id']}").status_code == 200  # changes nothing


def test_subscribers_are_told_of_a_ranking(api: Api) -> None:
    conversation, first, second = two_replies(api)
    thread, events = subscribed(api, conversation, stop_at="ranked")
    given = rank(api, item(second, 1), item(first, 2)).json()
    thread.join(10)
    told = events[-1].data["ranking"]
    assert {**told, "created_at": None} == {**given, "created_at": None}


def test_bad_rankings_are_refused(api: Api) -> None:
    conversation, first, second = two_replies(api)
    question = opened(api, conversation)["messages"][0]
    other = two_replies(api)[1]
    refused = {
        "one reply": rank(api, item(first, 1)),
        "the same reply twice": rank(api, item(first, 1), item(first, 2)),
        "replies to different questions": rank(api, item(first, 1), item(other, 2)),
        "a question": rank(api, item(question, 1), item(first, 2)),
        "a rank for only one": rank(api, item(first, 1), item(second, None)),
        "the same position": rank(api, item(first, 1, position=0), item(second, 2, position=0)),
        "a source that is not for people": rank(api, item(first, 1), item(second, 2), source="correction"),
    }
    assert {what: r.status_code for what, r in refused.items()} == dict.fromkeys(refused, 422)
    assert all(r.json()["error"]["message"] for r in refused.values())
    missing = rank(api, item(first, 1), item({"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, 2))
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "message_not_found")
    unknown = api.http.delete("/api/rankings/nothing")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "ranking_not_found")
    assert opened(api, conversation)["rankings"] == []


def test_a_running_reply_can_not_be_judged(api: Api) -> None:
    conversation = api.conversation()
    done = api.ask(conversation, "slow")["reply"]
    api.http.post(f"/api/messages/{done['id']}/stop")
    running = api.http.post(f"/api/messages/{done['id']}/regenerate").json()["reply"]
    refused = [
        rank(api, item(running, 1), item(done, 2)),
        api.http.post(f"/api/messages/{running['id']}/correction", json={"content": "x"}),
        api.http.put(f"/api/messages/{running['id']}/rating", json={"verdict": "up"}),
    ]
    assert [(r.status_code, r.json()["error"]["code"]) for r in refused] == [(409, "reply_running")] * 3
    api.http.post(f"/api/messages/{running['id']}/stop")
    assert rank(api, item(running, 1), item(done, 2)).status_code == 201  # stopped replies can be ranked


def test_replies_of_a_deleted_conversation_can_not_be_judged(api: Api) -> None:
    conversation, first, second = two_replies(api)
    api.http.delete(f"/api/conversations/{conversation}")
    assert rank(api, item(second, 1), item(first, 2)).status_code == 404
    assert api.http.post(f"/api/messages/{first['id']}/correction", json={"content": "x"}).status_code == 404
    assert api.http.put(f"/api/messages/{first['id']}/rating", json={"verdict": "up"}).status_code == 404


def test_a_correction_is_another_version_that_is_shown(api: Api) -> None:
    conversation, first, _ = two_replies(api)
    made = api.http.post(f"/api/messages/{first['id']}/correction", json={"content": "What it should have said."})
    assert made.status_code == 201
    message, ranking = made.json()["message"], made.json()["ranking"]
    assert (message["parent_id"], message["corrects_id"]) == (first["parent_id"], first["id"])
    assert (message["model_id"], message["imported_model"], message["state"]) == (None, None, "complete")
    assert [(x["message_id"], x["rank"]) for x in ranking["items"]] == [(message["id"], 1), (first["id"], 2)]
    assert opened(api, conversation)["leaf_id"] == message["id"]
    for content in ("  ", first["content"] + " "):
        refused = api.http.post(f"/api/messages/{first['id']}/correction", json={"content": content})
        assert refused.status_code == 422
    assert len(opened(api, conversation)["messages"]) == 4


def compare(api: Api, conversation: str, *models: str, **more: Any) -> Any:
    contenders = [{"model_id": model} for model in models]
    return api.http.post(f"/api/conversations/{conversation}/compare", json={"contenders": contenders, **more})


def test_two_models_answer_side_by_side_and_the_choice_keeps_what_was_shown(api: Api) -> None:
    conversation = api.conversation()
    started = compare(api, conversation, "test", "other", content="Hello there")
    assert started.status_code == 201
    question, replies, ranking = (started.json()[name] for name in ("question", "replies", "ranking"))
    assert (ranking["open"], ranking["blind"], ranking["source"]) == (True, True, "side_by_side")
    positions = {x["message_id"]: x["position"] for x in ranking["items"]}
    assert [positions[reply["id"]] for reply in replies] == [0, 1]
    assert {reply["model_id"] for reply in replies} == {"test", "other"}
    assert {reply["parent_id"] for reply in replies} == {question["id"]}
    left, right = (api.finished(conversation, reply["id"]) for reply in replies)
    assert opened(api, conversation)["rankings"] == [ranking]  # also after a reload
    chosen = rank(api, item(right, 1), item(left, 2), source="side_by_side").json()
    assert [(x["message_id"], x["position"]) for x in chosen["items"]] == [(right["id"], 1), (left["id"], 0)]
    assert (chosen["open"], chosen["blind"]) == (False, True)


def test_what_was_shown_of_the_models_is_recorded_and_nothing_of_hidden_ones(api: Api) -> None:
    conversation = api.conversation()
    body = {"content": "Hello", "blind": False}
    body["contenders"] = [{"model_id": "test"}, {"model_id": "other", "sampling": {"temperature": 0.1}}]
    open_ = api.http.post(f"/api/conversations/{conversation}/compare", json=body).json()["ranking"]
    told = sorted((item["settings"] for item in open_["items"]), key=lambda settings: settings["model_id"])
    assert told == [{"model_id": "other", "temperature": 0.1}, {"model_id": "test"}]
    hidden = compare(api, api.conversation(), "test", "other", content="Hello").json()["ranking"]
    assert [item["settings"] for item in hidden["items"]] == [{}, {}]


def test_a_choice_that_is_changed_after_the_names_are_known_is_not_blind(api: Api) -> None:
    conversation = api.conversation()
    replies = compare(api, conversation, "test", "other", content="Hello").json()["replies"]
    left, right = (api.finished(conversation, reply["id"]) for reply in replies)
    first = rank(api, item(left, 1), item(right, 2), source="side_by_side").json()
    again = rank(api, item(right, 2), item(left, 1), source="side_by_side").json()
    assert again["id"] == first["id"]  # says the same
    changed = rank(api, item(right, 1), item(left, 2), source="side_by_side").json()
    assert (first["blind"], changed["blind"], changed["source"]) == (True, False, "side_by_side")
    api.http.delete(f"/api/rankings/{changed['id']}")
    assert api.http.delete(f"/api/rankings/{changed['id']}").json()["withdrawn"] is True
    back = rank(api, item(right, 1), item(left, 2), source="side_by_side").json()
    assert (back["withdrawn"], opened(api, conversation)["rankings"][0]["id"]) == (False, back["id"])


def test_a_withdrawn_correction_can_be_restored(api: Api) -> None:
    conversation, first, _ = two_replies(api)
    made = api.http.post(f"/api/messages/{first['id']}/correction", json={"content": "Better."}).json()
    api.http.delete(f"/api/rankings/{made['ranking']['id']}")
    assert opened(api, conversation)["rankings"] == []
    restored = rank(api, item(made["message"], 1), item(first, 2), source="ranking").json()
    assert restored["source"] == "correction"


def test_no_place_in_a_queue_is_taken_before_all_models_are_in_memory(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    lease, admit = ModelPool.lease, LoadedModel.admit

    @asynccontextmanager
    async def recorded(pool: ModelPool, reference: str) -> AsyncIterator[LoadedModel]:
        async with lease(pool, reference) as model:
            steps.append(f"lease {reference}")
            yield model

    def admitted(model: LoadedModel, user_id: str) -> Any:
        steps.append(f"admit {model.manifest.id}")
        return admit(model, user_id)

    monkeypatch.setattr(ModelPool, "lease", recorded)
    monkeypatch.setattr(LoadedModel, "admit", admitted)
    assert compare(api, api.conversation(), "test", "other", content="Hello").status_code == 201
    assert steps == ["lease test", "lease other", "admit test", "admit other"]


def test_positions_are_random(api: Api) -> None:
    conversation = api.conversation()
    first = compare(api, conversation, "test", "other", content="Hello").json()
    seen = set()
    for _ in range(30):
        again = compare(api, conversation, "test", "other", message_id=first["question"]["id"])
        assert again.json()["question"] is None
        seen.add(again.json()["replies"][0]["model_id"])
        for reply in again.json()["replies"]:
            api.finished(conversation, reply["id"])
        if len(seen) == 2:
            break
    assert seen == {"test", "other"}


def test_a_comparison_that_can_not_start_leaves_nothing(api: Api) -> None:
    conversation = api.conversation()
    unknown = compare(api, conversation, "test", "nobody", content="Hello")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    fails = compare(api, conversation, "test", content="Hello")
    assert fails.status_code == 422
    elsewhere = api.ask(api.conversation(), "Hello there")["question"]
    assert compare(api, conversation, "test", "other", message_id=elsewhere["id"]).status_code == 404
    assert opened(api, conversation)["messages"] == []
    assert compare(api, conversation, "test", "other", content="Hello").status_code == 201  # places were given back


def test_what_became_of_a_judgement(api: Api) -> None:
    conversation, first, second = two_replies(api)
    api.http.put(f"/api/messages/{first['id']}/rating", json={"verdict": "down", "reasons": ["wrong"]})
    rank(api, item(second, 1), item(first, 2))
    found = api.http.get(f"/api/messages/{first['id']}/judgements").json()
    assert [(x["kind"], x["rows"]) for x in found] == [("rating", ["label"]), ("ranking", ["ranking"])]
    assert [x["dropped"] for x in found] == [{}, {"pair": "identical"}]  # the scripted model repeats
    api.http.patch(f"/api/conversations/{conversation}", json={"allow_training": False})
    found = api.http.get(f"/api/messages/{first['id']}/judgements").json()
    assert [x["rows"] for x in found] == [[], []]
    assert {why for x in found for why in x["dropped"].values()} == {"no_consent"}
    assert api.http.get("/api/messages/nothing/judgements").status_code == 404


def test_nobody_judges_more_often_than_a_person_can(api: Api) -> None:
    _, first, _ = two_replies(api)
    path, body = f"/api/messages/{first['id']}/rating", {"verdict": "up"}
    api.app.state.services.feedback._rate_limit = RateLimit(20)
    statuses = [api.http.put(path, json=body).status_code for _ in range(25)]
    assert statuses == [200] * 20 + [429] * 5
    refused = api.http.put(path, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
    assert 0 < int(refused.headers["retry-after"]) <= 60
