from __future__ import annotations

from typing import Any

from tests.api.test_feedback import item, rank, two_replies
from tests.support.servers import Api


def rate(api: Api, message: dict[str, Any], verdict: str, **more: Any) -> None:
    api.http.put(f"/api/messages/{message['id']}/rating", json={"verdict": verdict, **more}).raise_for_status()


def listed(api: Api, **where: Any) -> list[dict[str, Any]]:
    found = api.http.get("/api/feedback/judgements", params=where)
    assert found.status_code == 200, found.text
    return list(found.json()["items"])


def decide(api: Api, judgement_id: str, decision: str, **more: Any) -> Any:
    return api.http.put(f"/api/feedback/judgements/{judgement_id}/review", json={"decision": decision, **more})


def test_judgements_are_listed_with_what_they_are_about(api: Api) -> None:
    conversation, first, second = two_replies(api)
    rate(api, first, "down", reasons=["wrong"], comment="No.", score=2)
    rank(api, item(second, 1, position=0), item(first, 2, position=1), source="side_by_side", blind=True)
    ranking, thumb = listed(api)
    assert (ranking["kind"], thumb["kind"]) == ("side_by_side", "down")
    assert (thumb["reasons"], thumb["comment"], thumb["score"]) == (["wrong"], "No.", 2)
    assert thumb["question"] == "Hello there"
    assert thumb["rater"] == {"id": "local", "name": ""}
    assert thumb["conversation_id"] == conversation
    assert [(r["player"], r["rank"], r["position"]) for r in ranking["replies"]] == [("other", 1, 0), ("test", 2, 1)]
    assert ranking["blind"] is True
    whole = api.http.get(f"/api/feedback/judgements/{ranking['id']}").json()
    assert (whole["rows"], whole["dropped"]) == (["ranking"], {"pair": "identical"})
    assert [r["text"] for r in whole["replies"]] == [second["content"], first["content"]]


def test_every_filter_leaves_out_what_does_not_meet_it(api: Api) -> None:
    _, first, second = two_replies(api)
    rate(api, first, "down", reasons=["wrong", "too_long"])
    rate(api, second, "up")
    down, up = (next(x for x in listed(api) if x["kind"] == kind) for kind in ("down", "up"))
    decide(api, up["id"], "accepted").raise_for_status()
    ids = {"down": down["id"], "up": up["id"]}
    expected = {
        ("model", "test"): ["down"],
        ("model", "missing"): [],
        ("adapter", "mine"): [],
        ("rater", "local"): ["up", "down"],
        ("rater", "ann"): [],
        ("reason", "too_long"): ["down"],
        ("reason", "long"): None,
        ("kind", "up"): ["up"],
        ("kind", "ranking"): [],
        ("language", "en"): ["up", "down"],
        ("language", "zh"): [],
        ("since", "2020-01-01T00:00:00Z"): ["up", "down"],
        ("since", up["judged_at"]): ["up"],
        ("until", up["judged_at"]): ["down"],
        ("decision", "accepted"): ["up"],
        ("decision", "open"): ["down"],
        ("disagreement", "true"): [],
    }
    for (name, value), kinds in expected.items():
        if kinds is None:
            assert api.http.get("/api/feedback/judgements", params={name: value}).status_code == 422
        else:
            assert [x["id"] for x in listed(api, **{name: value})] == [ids[kind] for kind in kinds], (name, value)


def test_pages_follow_each_other_without_gaps(api: Api) -> None:
    given = []
    for _ in range(5):
        conversation = api.conversation()
        reply = api.finished(conversation, api.ask(conversation, "Hi")["reply"]["id"])
        rate(api, reply, "up")
        given.append(reply["id"])
    seen, cursor = [], None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = api.http.get("/api/feedback/judgements", params=params).json()
        seen += [x["replies"][0]["message_id"] for x in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == given[::-1]
    for bad in ("x", "~", "2026-01-01~a", "2026-01-01T00:00:00"):
        refused = api.http.get("/api/feedback/judgements", params={"cursor": bad})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


def test_a_decision_has_a_note_counts_and_can_be_taken_back(api: Api) -> None:
    _, first, second = two_replies(api)
    rank(api, item(second, 1), item(first, 2))
    (given,) = listed(api)
    excluded = decide(api, given["id"], "excluded", note="A test").json()
    assert (excluded["decision"], excluded["note"]) == ("excluded", "A test")
    whole = api.http.get(f"/api/feedback/judgements/{given['id']}").json()
    assert (whole["rows"], whole["dropped"]["pair"]) == ([], "excluded")
    board = api.http.get("/api/feedback/leaderboard").json()
    assert board["groups"] == []
    statistics = api.http.get("/api/feedback/statistics").json()
    assert statistics["decisions"] == {"accepted": 0, "excluded": 1, "open": 0}
    assert statistics["judgements"] == 0
    assert decide(api, given["id"], "open").json()["note"] == ""
    board = api.http.get("/api/feedback/leaderboard").json()
    assert board["counts"]["used"] == 1, "it is computed anew"
    assert {s["player"]: s["wins"] for s in board["groups"][0]["standings"]} == {"test": 0, "other": 1}


def test_what_is_gone_can_not_be_reviewed(api: Api) -> None:
    conversation, first, second = two_replies(api)
    given = rank(api, item(second, 1), item(first, 2)).json()
    rank(api, item(second, 2), item(first, 1))
    for judgement_id in (given["id"], "nothing"):
        refused = decide(api, judgement_id, "accepted")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "judgement_not_found")
    assert decide(api, listed(api)[0]["id"], "perhaps").status_code == 422
    assert decide(api, listed(api)[0]["id"], "accepted", note="x" * 4001).status_code == 422
    api.http.delete(f"/api/conversations/{conversation}")
    assert listed(api) == []


def test_without_consent_nothing_is_shown_but_that_it_is_withheld(api: Api) -> None:
    conversation, first, second = two_replies(api)
    rate(api, first, "up")
    rank(api, item(second, 1), item(first, 2))
    assert api.http.get("/api/feedback/statistics").json()["judgements"] == 2
    api.http.patch(f"/api/conversations/{conversation}", json={"allow_training": False}).raise_for_status()
    assert listed(api) == []
    statistics = api.http.get("/api/feedback/statistics").json()
    assert (statistics["judgements"], statistics["withheld"]) == (0, 2)
    assert api.http.get("/api/feedback/leaderboard").json()["groups"] == []
    api.http.patch(f"/api/conversations/{conversation}", json={"allow_training": True}).raise_for_status()
    assert len(listed(api)) == 2


def test_statistics_count_thumbs_reasons_positions_and_replies(api: Api) -> None:
    _, first, second = two_replies(api)
    _, third, _ = two_replies(api)
    rate(api, first, "down", reasons=["wrong"])
    rate(api, second, "up", reasons=["clear"])
    rate(api, third, "up")
    rank(api, item(second, 1, position=1), item(first, 2, position=0))
    found = api.http.get("/api/feedback/statistics").json()
    players = {each["player"]: each for each in found["players"]}
    assert {name: (p["up"]["count"], p["up"]["of"]) for name, p in players.items()} == {"test": (1, 2), "other": (1, 1)}
    assert {name: (p["judged"]["count"], p["judged"]["of"]) for name, p in players.items()} == {
        "test": (2, 2),
        "other": (1, 2),
    }
    assert 0.09 < players["test"]["up"]["low"] < 0.1
    assert found["reasons"] == {"up": [{"name": "clear", "count": 1}], "down": [{"name": "wrong", "count": 1}]}
    assert [(d["up"], d["down"], d["rankings"]) for d in found["days"]] == [(2, 1, 1)]
    assert (found["first_won"]["count"], found["first_won"]["of"]) == (0, 1)
    assert (found["judged"]["count"], found["judged"]["of"]) == (3, 4)
    assert found["agreement"]["thumbs"] == {"alpha": None, "units": 0, "judgements": 0}
    assert sum(each["up"]["of"] for each in found["lengths"]) == 3
    assert found["raters"] == [{"id": "local", "name": "", "judgements": 4}]
    assert {each["name"]: each["count"] for each in found["kinds"]} == {"up": 2, "down": 1, "regenerate": 1}


def test_the_leaderboard_is_filtered(api: Api) -> None:
    _, first, second = two_replies(api)
    rank(api, item(second, 1, position=0), item(first, 2, position=1), source="side_by_side", blind=True)
    _, third, fourth = two_replies(api)
    rate(api, third, "up")
    rate(api, fourth, "down")

    def used(**where: Any) -> int:
        return int(api.http.get("/api/feedback/leaderboard", params=where).json()["counts"]["used"])

    assert used() == 2
    assert used(blind=True) == used(source="side_by_side") == used(source="ratings") == 1
    assert (used(language="en"), used(language="zh"), used(since="2099-01-01T00:00:00Z")) == (2, 0, 0)
    assert used(equal_length=False) == 2
    assert api.http.get("/api/feedback/leaderboard", params={"source": "x"}).status_code == 422
