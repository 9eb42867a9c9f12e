"""Every route, the page's and Gradio's included, for everybody: each cell is declared here, and a new route fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.store import changing
from tests.support.house import Description
from tests.support.house import house as server
from tests.support.odd_requests import filled
from tests.support.people import People, Person

WHO = (
    *("nobody", "signed_out", "disabled", "revoked_key"),
    *("guest", "member", "other", "admin"),
    *("openai_key", "api_key", "admin_key"),  # the first two are the member's
)
# Of each policy: who gets past it. Everybody else is told 401 if they are nobody, 403 otherwise.
NOBODY = {"nobody", "signed_out", "disabled"}
PEOPLE = {"guest", "member", "other", "admin"}
ALLOWED = {
    "anyone": {*WHO} - {"revoked_key"},
    "user": PEOPLE | {"api_key", "admin_key"},
    "member": {"member", "other", "admin", "api_key", "admin_key"},
    "admin": {"admin", "admin_key"},
    "in_person": PEOPLE,
    "openai": PEOPLE | {"openai_key"},
    "page": PEOPLE,
}
ROUTES = {
    "anyone": """
        GET,HEAD /healthz | GET,HEAD /readyz | GET,POST,DELETE /api/session | POST /api/links/look | POST /api/links/use
        GET /login/oidc | GET /login/oidc/callback | GET,HEAD /login | GET,HEAD /login/{name}
        POST /api/shared | GET,HEAD,POST /shared/{token} | POST /shared/{token}/chat.json
        GET,HEAD /shared/static/{name}
    """,
    "user": """
        GET /api/info | GET,POST /api/conversations | GET /api/conversations/export
        GET,PATCH,DELETE /api/conversations/{conversation_id} | GET /api/conversations/{conversation_id}/export
        POST /api/conversations/{conversation_id}/restore | GET /api/conversations/{conversation_id}/events
        POST /api/conversations/{conversation_id}/messages | GET,POST /api/conversations/{conversation_id}/shares
        DELETE /api/shares/{share_id} | POST /api/conversations/{conversation_id}/compare
        POST /api/messages/{message_id}/edit | POST /api/messages/{message_id}/regenerate
        POST /api/messages/{message_id}/continue | POST /api/messages/{message_id}/stop
        PUT /api/messages/{message_id}/rating | POST /api/messages/{message_id}/correction
        GET /api/messages/{message_id}/judgements | POST /api/rankings | DELETE /api/rankings/{ranking_id}
        GET /api/models | GET /api/models/events | GET /api/models/{model_id}
        GET /api/jobs | GET /api/jobs/events | GET,DELETE /api/jobs/{job_id} | POST /api/jobs/{job_id}/cancel
        POST /api/jobs/{job_id}/resume | GET,HEAD /openapi.json
    """,
    "member": "POST /api/conversations/import | GET,DELETE /api/imported-files",
    "admin": """
        GET /api/users | PATCH /api/users/{user_id} | POST /api/users/{user_id}/reset
        DELETE /api/users/{user_id}/sessions | POST /api/links | DELETE /api/links/{link_id} | GET /api/audit
        GET /api/feedback/judgements | GET /api/feedback/judgements/{judgement_id}
        PUT /api/feedback/judgements/{judgement_id}/review | GET /api/feedback/statistics
        GET /api/feedback/leaderboard | GET,POST /api/datasets | POST /api/datasets/preview
        GET,DELETE /api/datasets/{name} | GET /api/datasets/{name}/files/{file} | GET /api/datasets/{name}/archive
        POST /api/models/pull | POST /api/models/import | POST,DELETE /api/models/{model_id}/pull
        POST /api/models/{model_id}/convert | POST /api/models/{model_id}/load | POST /api/models/{model_id}/unload
        GET,HEAD /metrics
    """,
    "in_person": """
        GET,PATCH /api/account | PUT /api/account/password | GET,DELETE /api/account/sessions
        DELETE /api/account/sessions/{session_id} | GET,POST /api/account/keys | DELETE /api/account/keys/{key_id}
    """,
    "openai": """
        GET,HEAD /v1/models | GET /v1/models/ | GET,HEAD /v1/models/{model_id:path} | POST /v1/chat/completions
        POST /v1/chat/completions/ | ANY /v1 | ANY /v1/{path:path} | ANY /chat/completions | ANY /completions
        ANY /embeddings | ANY /models | POST /
    """,
    "page": """
        GET,HEAD / | GET,HEAD /ui/conversations/{conversation_id} | GET,HEAD /ui/conversations/{conversation_id}/events
        GET,HEAD /ui/static/{name}
    """,
}
ANY = "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS"
ENDS_SESSIONS = {("DELETE", "/api/session"), ("DELETE", "/api/account/sessions")}


def declared() -> dict[tuple[str, str], str]:
    """Method and path of each route → its policy."""
    found = {}
    for policy, text in ROUTES.items():
        for entry in text.replace("\n", "|").split("|"):
            if entry.strip():
                methods, path = entry.split()
                for method in methods.replace("ANY", ANY).split(","):
                    found[method, path] = policy
    return found


@dataclass
class House:
    """A server with its page, and a client for each of `WHO`."""

    people: People
    persons: dict[str, Person]
    clients: dict[str, httpx.Client]
    routes: set[tuple[str, str]]
    gradio: list[str]

    def status(self, who: str, method: str, path: str) -> int:
        filled_path = filled(path, ["x"])[0]
        content = b"{}" if method in ("POST", "PUT", "PATCH") else None
        headers = {"content-type": "application/json"}
        with self.clients[who].stream(method, filled_path, content=content, headers=headers) as answer:
            status = answer.status_code
        if (method, path) in ENDS_SESSIONS and who in self.persons:
            person = self.persons[who]
            person.http = self.clients[who] = self.people.sign_in(person)
        return status


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("house")


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[House]:
    with server(folder) as described:
        people = People(described.url, described.first_link)
        yield furnished(people, described)
        people.close()


def furnished(people: People, described: Description) -> House:
    admin = people.first("admin")
    persons = {"admin": admin} | {
        name: people.invite(admin, "guest" if name == "guest" else "member", name)
        for name in ("guest", "member", "other", "signed_out", "disabled")
    }
    clients = {name: person.http for name, person in persons.items()}
    cookie = "; ".join(f"{k}={v}" for k, v in clients["signed_out"].cookies.items())
    clients["signed_out"].delete("/api/session")
    clients["signed_out"] = people.nobody(cookie=cookie)
    admin.http.patch(f"/api/users/{persons['disabled'].id}", json={"disabled": True})
    clients["nobody"] = people.nobody()
    member = persons["member"]
    revoked = member.key("openai", "api")
    member.http.delete(f"/api/account/keys/{revoked.partition('_')[0].removeprefix('sk-')}")
    keys = {"revoked_key": revoked, "openai_key": member.key("openai"), "api_key": member.key("api")}
    keys["admin_key"] = admin.key("api", "admin")
    clients |= {name: people.nobody(authorization=f"Bearer {key}") for name, key in keys.items()}
    there = {name: person for name, person in persons.items() if name in WHO and name not in NOBODY}
    own = {(method, path) for method, path in described.routes if is_own(path, described.gradio)}
    return House(people, there, clients, own | {("GET", "/"), ("HEAD", "/")}, described.gradio)


def is_own(path: str, gradio: list[str]) -> bool:
    """Whether a route is ours; Gradio's, which are tried all together, are mounted below ``/`` too."""
    return path not in {*gradio} - {"/openapi.json", "/", "/login"}


def test_every_route_is_declared(house: House) -> None:
    assert house.routes == declared().keys()
    assert len(house.routes) > 100


def test_nobody_gets_past_a_policy_and_everybody_else_does(house: House) -> None:
    wrong = []
    for (method, path), policy in sorted(declared().items()):
        for who in WHO:
            allowed = who in ALLOWED[policy]
            refusal = 401 if who in NOBODY | {"revoked_key"} else 403
            status = house.status(who, method, path)
            if status != refusal if not allowed else status in (401, 403) and not guesses(method, path, status):
                wrong.append((method, path, who, policy, status))
    assert wrong == []


def guesses(method: str, path: str, status: int) -> bool:
    """A 401 that is no policy's: of a wrong password."""
    return (method, path) in {("POST", "/api/session"), ("PUT", "/api/account/password")} and status == 401


def test_all_of_gradio_is_behind_the_login(house: House) -> None:
    paths = {path for pattern in house.gradio for path in filled(pattern, ["x"])[:1]} - {
        "/",
        "/openapi.json",
        "/login",
        "/login/",
    }
    paths |= {"/theme.css", "/assets/x.js", "/static/img/logo.svg", "/gradio_api/queue/join", "/no/such/path"}
    assert len(paths) > 60
    for method in ("GET", "POST"):
        for who in WHO:
            expected = {401} if who in NOBODY | {"revoked_key"} else {403} if who.endswith("_key") else {200, 404}
            statuses = {path: house.status(who, method, path) for path in sorted(paths) if not is_api(path)}
            assert {path: s for path, s in statuses.items() if s not in expected} == {}, (method, who)


def is_api(path: str) -> bool:
    return path.startswith(("/api/", "/v1/"))


# --- what belongs to somebody ---------------------------------------------------------------------------

OWNED: dict[tuple[str, str], Any] = {
    ("GET", "/api/conversations/{conversation_id}"): None,
    ("PATCH", "/api/conversations/{conversation_id}"): {"title": "taken"},
    ("GET", "/api/conversations/{conversation_id}/export"): None,
    ("POST", "/api/conversations/{conversation_id}/restore"): None,
    ("GET", "/api/conversations/{conversation_id}/events"): None,
    ("POST", "/api/conversations/{conversation_id}/messages"): {"content": "hello", "parent_id": None},
    ("POST", "/api/conversations/{conversation_id}/compare"): {
        "content": "hello",
        "parent_id": None,
        "contenders": [{"model_id": "test"}, {"model_id": "test", "sampling": {"temperature": 0.1}}],
    },
    ("POST", "/api/messages/{question_id}/edit"): {"content": "changed"},
    ("POST", "/api/messages/{message_id}/regenerate"): {},
    ("POST", "/api/messages/{message_id}/continue"): {},
    ("POST", "/api/messages/{message_id}/stop"): None,
    ("PUT", "/api/messages/{message_id}/rating"): {"verdict": "down"},
    ("POST", "/api/messages/{message_id}/correction"): {"content": "corrected"},
    ("GET", "/api/messages/{message_id}/judgements"): None,
    ("POST", "/api/rankings"): {
        "source": "ranking",
        "items": [{"message_id": "{message_id}", "rank": 1}, {"message_id": "x", "rank": 2}],
    },
    ("DELETE", "/api/rankings/{ranking_id}"): None,
    ("GET", "/api/conversations/{conversation_id}/shares"): None,
    ("POST", "/api/conversations/{conversation_id}/shares"): {},
    ("DELETE", "/api/shares/{share_id}"): None,
    ("GET", "/api/jobs/{job_id}"): None,
    ("POST", "/api/jobs/{job_id}/cancel"): None,
    ("POST", "/api/jobs/{job_id}/resume"): None,
    ("DELETE", "/api/jobs/{job_id}"): None,
    ("DELETE", "/api/account/sessions/{session_id}"): None,
    ("DELETE", "/api/account/keys/{key_id}"): None,
    ("DELETE", "/api/conversations/{conversation_id}"): None,
}


def test_what_belongs_to_somebody_does_not_exist_for_others(house: House, folder: Path) -> None:
    member = house.persons["member"]
    conversation = member.conversation(title="mine")
    asked = member.ask(conversation, "hang")
    with changing(f"sqlite:///{folder / 'data' / 'parley.db'}") as store:
        job = store.jobs.add(member.id, "fetch", {"title": "x"})
    ids = {
        "conversation_id": conversation,
        "question_id": asked["question"]["id"],
        "message_id": asked["reply"]["id"],
        "ranking_id": "01JDC3W9RS5V0EXAMPLE000000",
        "share_id": member.http.post(f"/api/conversations/{conversation}/shares", json={}).json()["id"],
        "job_id": job.id,
        "session_id": member.http.get("/api/account/sessions").json()[0]["id"],
        "key_id": member.http.get("/api/account/keys").json()[0]["id"],
    }
    wrong = []
    for (method, path), body in OWNED.items():
        for who in ("other", "admin", "guest"):
            content = fill(body, ids) if body is not None else None
            answer = house.clients[who].request(method, path.format(**ids), json=content)
            if answer.status_code != 404:
                wrong.append((method, path, who, answer.status_code, answer.text[:200]))
    assert wrong == []
    mine = member.http.get(f"/api/conversations/{conversation}").json()
    assert (mine["title"], len(mine["messages"])) == ("mine", 2)
    assert mine["messages"][1]["rating"] is None
    assert member.http.get(f"/api/jobs/{job.id}").status_code == 200
    for who in ("other", "admin", "guest"):
        listed = house.clients[who].get("/api/conversations").json()["items"]
        assert conversation not in {item["id"] for item in listed}
    of_ids = {path for _, path in declared() if path.startswith("/api/") and "{" in path and declared_for_people(path)}
    assert of_ids <= {path.replace("question_id", "message_id") for _, path in OWNED} | {"/api/models/{model_id}"}


def fill(body: Any, ids: dict[str, str]) -> Any:
    if isinstance(body, dict):
        return {name: fill(value, ids) for name, value in body.items()}
    if isinstance(body, list):
        return [fill(value, ids) for value in body]
    return body.format(**ids) if isinstance(body, str) else body


def declared_for_people(path: str) -> bool:
    return any(policy in ("user", "member", "in_person") for (_, p), policy in declared().items() if p == path)
