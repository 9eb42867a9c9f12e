"""Accounts over HTTP: who gets in, what ends a session, and what a browser or program may not do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import httpx
import pytest

from app.config import Settings
from app.engine.scripted import Reply, rules
from tests.support.people import People, Person
from tests.support.servers import scripted_settings, serving

SCRIPT = rules(("slow", Reply.of("word " * 400, delay_ms=20)), ("hang", Reply(("waiting ",), hangs=True)))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return scripted_settings(tmp_path_factory.mktemp("people"), login=True, user_replies=0)


@pytest.fixture(scope="module")
def people(settings: Settings) -> Iterator[People]:
    """One server for all tests, each of which makes the accounts that it needs."""
    with serving(settings, SCRIPT) as api:
        found = People(api.url, api.parts.auth.first_link)
        yield found
        found.close()


@pytest.fixture(scope="module")
def ann(people: People) -> Person:
    """The first administrator."""
    return people.first("ann")


@pytest.fixture
def member(people: People, ann: Person, request: pytest.FixtureRequest) -> Person:
    """A new member."""
    return people.invite(ann, "member", f"member{abs(hash(request.node.name))}")


def code(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()["error"]["code"]


# --- getting in ---------------------------------------------------------------------------------------


def test_the_first_account_owns_what_was_there(people: People, ann: Person) -> None:
    assert ann.id == "local"
    assert ann.http.get("/api/info").json()["user"]["role"] == "admin"


def test_nobody_gets_anything(people: People, ann: Person) -> None:
    nobody = people.nobody()
    assert code(nobody.get("/api/conversations")) == (401, "not_signed_in")
    assert code(nobody.get("/v1/models")) == (401, "not_signed_in")
    assert nobody.get("/v1/models").headers["www-authenticate"].startswith("Bearer")
    assert code(nobody.get("/no/such/path")) == (401, "not_signed_in")
    assert nobody.get("/api/session").json() == {"login": True, "user": None, "sso": None}
    page = nobody.get("/?c=1", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "login?next=c%3D1")
    assert page.headers["cache-control"] == "no-store"
    assert nobody.get("/healthz").status_code == 200


def test_a_session_is_new_at_each_sign_in_and_replaces_the_browsers_earlier_one(people: People, member: Person) -> None:
    name = next(iter(member.http.cookies))
    body = {"username": member.username, "password": member.password}
    fixed = people.nobody(cookie=f"{name}=chosen-by-somebody-else").post("/api/session", json=body)
    assert fixed.cookies[name] != "chosen-by-somebody-else"
    browser = people.nobody()
    first, second = (browser.post("/api/session", json=body).cookies[name] for _ in range(2))
    assert second != first
    old = people.nobody(cookie=f"{name}={first}")
    assert old.get("/api/info").status_code == 401
    assert len(browser.get("/api/account/sessions").json()) == 3  # of three browsers


def test_the_cookie_is_kept_from_scripts_and_other_sites(people: People, member: Person) -> None:
    answer = people.nobody().post("/api/session", json={"username": member.username, "password": member.password})
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    proxied = people.nobody(**{"x-forwarded-proto": "https"})
    answer = proxied.post("/api/session", json={"username": member.username, "password": member.password})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-parley=")
    assert "Secure" in cookie


def test_names_are_compared_without_case_or_width(people: People, ann: Person) -> None:
    person = people.invite(ann, "member", "Ｚoë")
    body = {"username": "ZOË", "password": person.password}
    assert people.nobody().post("/api/session", json=body).status_code == 200
    link = ann.http.post("/api/links", json={}).json()["path"].partition("#")[2]
    body = {"token": link, "username": "zoë", "password": "another-kettle-77"}
    assert code(people.nobody().post("/api/links/use", json=body)) == (409, "username_taken")
    body["username"] = "zoë2"  # the link was not used up
    assert people.nobody().post("/api/links/use", json=body).status_code == 201


def test_a_wrong_password_and_an_unknown_name_sound_the_same(people: People, member: Person) -> None:
    nobody = people.nobody()
    wrong = nobody.post("/api/session", json={"username": member.username, "password": "wrong"})
    unknown = nobody.post("/api/session", json={"username": "nobody-at-all", "password": "wrong"})
    assert code(wrong) == (401, "wrong_password")
    assert wrong.json() == unknown.json()


def test_guessing_is_slow_from_one_and_from_many_addresses(people: People, member: Person) -> None:
    def guess(n: int) -> int:
        address = people.nobody(**{"x-forwarded-for": f"10.7.{n // 250}.{n % 250}"})
        return address.post("/api/session", json={"username": member.username, "password": "no"}).status_code

    statuses = [guess(n) for n in range(12)]
    assert statuses == [401] * 5 + [429] * 7
    right = {"username": member.username, "password": member.password}
    refused = people.nobody(**{"x-forwarded-for": "10.8.0.1"}).post("/api/session", json=right)
    assert code(refused) == (429, "too_many_attempts")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert member.http.get("/api/info").status_code == 200  # whoever is in stays in


def test_links_work_once_and_can_be_withdrawn(people: People, ann: Person) -> None:
    made = ann.http.post("/api/links", json={"role": "guest", "note": "for Li", "valid_hours": 1}).json()
    token = made["path"].partition("#")[2]
    nobody = people.nobody()
    purpose = {"kind": "invitation", "role": "guest", "username": None}
    assert nobody.post("/api/links/look", json={"token": token}).json() == purpose
    weak = {"token": token, "username": "li", "password": "12345678"}
    assert code(nobody.post("/api/links/use", json=weak)) == (422, "weak_password")
    used = {**weak, "password": "kettle-boat-9"}
    assert nobody.post("/api/links/use", json=used).status_code == 201
    assert code(people.nobody().post("/api/links/use", json={**used, "username": "li2"})) == (404, "link_not_found")
    made = ann.http.post("/api/links", json={}).json()
    assert ann.http.delete(f"/api/links/{made['id']}").status_code == 204
    withdrawn = {"token": made["path"].partition("#")[2]}
    assert code(nobody.post("/api/links/look", json=withdrawn)) == (404, "link_not_found")


def test_a_new_password_by_a_link_ends_the_sessions(people: People, ann: Person, member: Person) -> None:
    link = ann.http.post(f"/api/users/{member.id}/reset").json()["path"].partition("#")[2]
    assert member.http.get("/api/info").status_code == 200  # until it is used
    nobody = people.nobody()
    assert nobody.post("/api/links/look", json={"token": link}).json()["username"] == member.username
    assert nobody.post("/api/links/use", json={"token": link, "password": "brand-new-kettle-1"}).status_code == 201
    assert member.http.get("/api/info").status_code == 401
    old = {"username": member.username, "password": member.password}
    assert code(people.nobody().post("/api/session", json=old)) == (401, "wrong_password")


# --- one's own account ----------------------------------------------------------------------------------


def test_a_changed_password_ends_all_other_sessions(people: People, member: Person) -> None:
    other = people.sign_in(member)
    wrong = {"current": "wrong", "new": "brand-new-kettle-1"}
    assert code(member.http.put("/api/account/password", json=wrong)) == (401, "wrong_password")
    right = {"current": member.password, "new": "brand-new-kettle-1"}
    assert member.http.put("/api/account/password", json=right).status_code == 204
    assert other.get("/api/info").status_code == 401
    assert member.http.get("/api/info").status_code == 200


def test_sessions_are_listed_and_ended_by_their_owner_only(people: People, ann: Person, member: Person) -> None:
    other = people.sign_in(member)
    sessions = member.http.get("/api/account/sessions").json()
    (elsewhere,) = [session["id"] for session in sessions if not session["current"]]
    assert code(ann.http.delete(f"/api/account/sessions/{elsewhere}")) == (404, "session_not_found")
    assert other.get("/api/info").status_code == 200
    assert member.http.delete(f"/api/account/sessions/{elsewhere}").status_code == 204
    assert other.get("/api/info").status_code == 401
    other = people.sign_in(member)
    assert member.http.delete("/api/account/sessions").status_code == 204
    assert other.get("/api/info").status_code == 401


def test_signing_out_ends_the_session_itself(people: People, member: Person) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in member.http.cookies.items())
    assert member.http.delete("/api/session").status_code == 204
    assert people.nobody(cookie=cookie).get("/api/info").status_code == 401


def test_a_key_does_what_its_scopes_say(people: People, ann: Person, member: Person) -> None:
    openai = people.nobody(authorization=f"Bearer {member.key('openai')}")
    assert openai.get("/v1/models").status_code == 200
    assert code(openai.get("/api/conversations")) == (403, "not_allowed")
    api = people.nobody(**{"x-api-key": member.key("api")})
    assert api.get("/api/conversations").status_code == 200
    assert code(api.get("/v1/models")) == (403, "not_allowed")
    assert code(api.get("/api/account/keys")) == (403, "not_allowed")
    assert code(api.get("/")) == (403, "not_allowed")
    refused = member.http.post("/api/account/keys", json={"name": "x", "scopes": ["admin"]})
    assert code(refused) == (403, "not_allowed")
    weak, strong = (
        people.nobody(**{"x-api-key": ann.key("api")}),
        people.nobody(**{"x-api-key": ann.key("api", "admin")}),
    )
    assert code(weak.get("/api/users")) == (403, "not_allowed")
    assert strong.get("/api/users").status_code == 200
    listed = member.http.get("/api/account/keys").json()
    assert all("key" not in key for key in listed)
    assert [key["last_used_at"] is not None for key in listed] == [True, True]


def test_a_key_is_never_replaced_by_another_credential(people: People, member: Person) -> None:
    """Neither by a second header nor by the browser's cookie: what is sent has to be right."""
    key = member.key("openai")
    both = people.nobody(**{"x-api-key": key, "authorization": "Bearer sk-other"})
    assert code(both.get("/v1/models")) == (401, "not_signed_in")
    same = people.nobody(**{"x-api-key": key, "authorization": f"Bearer {key}"})
    assert same.get("/v1/models").status_code == 200
    assert code(member.http.get("/api/info", headers={"x-api-key": "sk-wrong"})) == (401, "not_signed_in")
    assert member.http.get("/api/info", headers={"authorization": "Basic cHJveHk6cw=="}).status_code == 200  # a proxy's


def test_guests_have_no_keys_and_import_nothing(people: People, ann: Person) -> None:
    guest = people.invite(ann, "guest", "guest-one")
    assert code(guest.http.post("/api/account/keys", json={"name": "x"})) == (403, "not_allowed")
    assert code(guest.http.post("/api/conversations/import", content=b"{}")) == (403, "not_allowed")
    assert guest.conversation()


def test_the_audit_log_names_a_revoked_key(ann: Person) -> None:
    key_id = ann.http.post("/api/account/keys", json={"name": "Notes on trains"}).json()["id"]
    assert ann.http.delete(f"/api/account/keys/{key_id}").status_code == 204
    newest = ann.http.get("/api/audit", params={"limit": 1}).json()[0]
    assert (newest["action"], newest["target"], newest["details"]) == (
        "key_revoked",
        "Notes on trains",
        {"key": key_id},
    )
    assert code(ann.http.delete(f"/api/account/keys/{key_id}")) == (404, "api_key_not_found")


# --- what ends while it runs ----------------------------------------------------------------------------


def read_to_the_end(client: httpx.Client, url: str, ended: list[float], begun: list[float], **options: Any) -> None:
    try:
        with client.stream(options.pop("method", "GET"), url, **options) as answer:
            for _ in answer.iter_raw():
                begun.append(time.monotonic())
    except httpx.HTTPError:
        pass
    ended.append(time.monotonic())


def ends_within_a_second(client: httpx.Client, url: str, revoke: Any, **options: Any) -> float:
    """Seconds from `revoke` until the stream at `url` has ended."""
    ended: list[float] = []
    begun: list[float] = []
    thread = Thread(target=read_to_the_end, args=(client, url, ended, begun), kwargs=options)
    thread.start()
    while not begun:
        time.sleep(0.01)
    revoke()
    revoked_at = time.monotonic()
    thread.join(timeout=10)
    assert ended, "the stream goes on"
    return ended[0] - revoked_at


def test_streams_end_when_their_session_or_key_does(people: People, ann: Person, member: Person) -> None:
    conversation = member.conversation()
    other = people.sign_in(member)
    url = f"/api/conversations/{conversation}/events"
    took = [ends_within_a_second(other, url, lambda: member.http.delete("/api/account/sessions"))]
    key = member.key("openai")
    body = {"model": "test", "stream": True, "messages": [{"role": "user", "content": "slow"}]}
    program = people.nobody(authorization=f"Bearer {key}")
    key_id = key.partition("_")[0].removeprefix("sk-")
    revoke = lambda: member.http.delete(f"/api/account/keys/{key_id}")  # noqa: E731
    took.append(ends_within_a_second(program, "/v1/chat/completions", revoke, method="POST", json=body))
    disable = lambda: ann.http.patch(f"/api/users/{member.id}", json={"disabled": True})  # noqa: E731
    took.append(ends_within_a_second(member.http, "/api/models/events", disable))
    print("streams ended after", [f"{seconds:.2f} s" for seconds in took])
    assert max(took) < 5  # half a second between two looks; more only on a machine that is busy
    assert member.http.get("/api/info").status_code == 401


# --- administration -------------------------------------------------------------------------------------


def test_the_last_administrator_stays(people: People, ann: Person) -> None:
    for change in ({"disabled": True}, {"role": "member"}):
        assert code(ann.http.patch(f"/api/users/{ann.id}", json=change)) == (409, "last_administrator")
    assert ann.http.get("/api/users").status_code == 200


def test_what_administrators_do_is_noted(people: People, ann: Person, member: Person) -> None:
    ann.http.patch(f"/api/users/{member.id}", json={"role": "guest", "name": "Bo"})
    ann.http.delete(f"/api/users/{member.id}/sessions")
    newest = ann.http.get("/api/audit", params={"limit": 3}).json()
    assert [entry["action"] for entry in newest] == ["signed_out", "account_renamed", "role_changed"]
    assert {entry["actor"] for entry in newest} == {"ann"}
    older = ann.http.get("/api/audit", params={"before": newest[-1]["sequence"], "limit": 1}).json()
    assert older[0]["sequence"] < newest[-1]["sequence"]
    assert member.password not in ann.http.get("/api/audit", params={"limit": 500}).text


def test_where_files_are_is_told_to_administrators_only(settings: Settings, ann: Person, member: Person) -> None:
    folder = settings.model_store / "manifests"
    (folder / "broken.toml").write_text("id = ")
    try:
        listed = {who: who_http.get("/api/models").text for who, who_http in (("ann", ann.http), ("bo", member.http))}
    finally:
        (folder / "broken.toml").unlink()
    assert str(folder) in listed["ann"]
    assert str(folder) not in listed["bo"]


def test_nobody_fills_the_queue_alone(settings: Settings, ann: Person, member: Person) -> None:
    queue_share = settings.max_waiting // 4
    conversations = [member.conversation() for _ in range(4 + queue_share + 1)]
    asked = [
        member.http.post(f"/api/conversations/{one}/messages", json={"content": "hang", "parent_id": None})
        for one in conversations
    ]
    statuses = [answer.status_code for answer in asked]
    assert statuses == [201] * (4 + queue_share) + [503]
    assert ann.ask(ann.conversation(), "hello")["reply"]["state"] == "pending"  # waits, is not refused
    ann.http.patch(f"/api/users/{member.id}", json={"disabled": True})
    for answer in asked[:-1]:
        reply = answer.json()["reply"]["id"]
        assert code(member.http.post(f"/api/messages/{reply}/stop")) == (401, "not_signed_in")


def test_whoever_was_not_asked_has_not_agreed(people: People, ann: Person, member: Person) -> None:
    def allows(person: Person, **values: bool) -> bool:
        found = person.http.get(f"/api/conversations/{person.conversation(**values)}").json()
        return bool(found["allow_training"])

    chat = {"format": "parley.conversation", "version": 1, "conversation": {"title": "x", "allow_training": True}}
    chat["messages"] = [{"id": "m", "parent_id": None, "role": "user", "content": member.username, "state": "complete"}]
    imported = member.http.post("/api/conversations/import", json=chat).json()
    assert imported["allow_training"] is False
    assert allows(ann)  # the owner of the installation
    assert not allows(member)
    assert allows(member, allow_training=True)  # for one chat
    assert member.http.get("/api/info").json()["user"]["allow_training"] is None
    assert member.http.patch("/api/account", json={"allow_training": True}).json()["allow_training"] is True
    assert allows(member)
    member.http.patch("/api/account", json={"allow_training": False})
    assert not allows(member)
