"""Limits of one person, where there are accounts: replies at once, tokens a day, requests a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.engine.scripted import Reply, rules
from tests.support.people import People, Person
from tests.support.servers import Api, scripted_settings, serving

SCRIPT = rules(("hang", Reply(("waiting ",), hangs=True)))
CHAT = {"model": "test", "messages": [{"role": "user", "content": "hello"}]}


def members(api: Api) -> tuple[People, Person, Person]:
    people = People(api.url, api.parts.auth.first_link)
    ann = people.first()
    return people, ann, people.invite(ann, "member", "bob")


def test_replies_at_once(tmp_path: Path) -> None:
    with serving(scripted_settings(tmp_path, login=True, user_replies=2), SCRIPT) as api:
        people, ann, bob = members(api)
        first = bob.ask(bob.conversation(), "hang")["reply"]["id"]
        bob.ask(bob.conversation(), "hang")
        body = {"content": "hang", "parent_id": None}
        refused = bob.http.post(f"/api/conversations/{bob.conversation()}/messages", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
        assert int(refused.headers["retry-after"]) > 0
        ann.ask(ann.conversation(), "hello")  # others may go on
        assert bob.http.post(f"/api/messages/{first}/stop").status_code < 300
        bob.ask(bob.conversation(), "hello")  # and so may he, once one has ended
        people.close()


def test_tokens_of_a_day_outlive_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = scripted_settings(tmp_path, login=True, user_tokens_per_day=1)
    with serving(settings, SCRIPT) as api:
        people, ann, bob = members(api)
        key = bob.key("openai")
        program = people.nobody(authorization=f"Bearer {key}")
        usage = program.post("/v1/chat/completions", json=CHAT).json()["usage"]
        assert usage["total_tokens"] >= 1
        refused = program.post("/v1/chat/completions", json=CHAT)
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 86_400
        ann.ask(ann.conversation(), "hello")
        people.close()
    with serving(settings, SCRIPT) as api:
        people = People(api.url, None)
        program = people.nobody(authorization=f"Bearer {key}")
        assert program.post("/v1/chat/completions", json=CHAT).status_code == 429
        monkeypatch.setattr("app.auth.usage._today", lambda: "2999-01-01")
        assert program.post("/v1/chat/completions", json=CHAT).status_code == 200
        people.close()


def test_requests_of_a_person_and_of_an_address(tmp_path: Path) -> None:
    with serving(scripted_settings(tmp_path, login=True, user_requests_per_minute=40), SCRIPT) as api:
        people, ann, bob = members(api)
        statuses = [bob.http.get("/api/info").status_code for _ in range(30)]
        assert statuses[:9] == [200] * 9
        assert statuses[-1] == 429
        assert bob.http.get("/assets/x.js").status_code == 404  # the files of the page are not counted
        assert ann.http.get("/api/info").status_code == 200
        strangers = [people.nobody(**{"x-forwarded-for": "10.9.9.9"}).get("/healthz") for _ in range(15)]
        assert strangers[-1].status_code == 429
        assert int(strangers[-1].headers["retry-after"]) > 0
        people.close()
