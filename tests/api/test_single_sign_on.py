"""Single sign-on, against a provider on loopback and behind a reverse proxy that names people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from app.auth.service import SingleSignOn
from app.cli.uvicorn_server import Server
from app.errors import ConfigurationError
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, provider
from tests.support.people import People, Person
from tests.support.servers import Api, scripted_settings, serving


@pytest.fixture
def idp() -> Iterator[Provider]:
    with provider() as found:
        found.claims = {"preferred_username": "Zoë", "name": "Zoë Li"}
        yield found


@pytest.fixture
def api(tmp_path: Path, idp: Provider) -> Iterator[Api]:
    with serving(scripted_settings(tmp_path, login=True, **options(idp))) as found:
        yield found


def options(idp: Provider, **more: Any) -> dict[str, Any]:
    return {
        "oidc_issuer": idp.url,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_name": "Example",
        "user_requests_per_minute": 0,
        **more,
    }


@pytest.fixture
def people(api: Api) -> Iterator[People]:
    found = People(api.url, api.parts.auth.first_link)
    yield found
    found.close()


@pytest.fixture
def ann(people: People) -> Person:
    return people.first("ann")


def to_provider(browser: httpx.Client, query: str = "") -> str:
    """Press the button; returns where the provider sends the browser back to."""
    started = browser.get("/login/oidc", params={"next": query} if query else {})
    assert started.status_code == 303, started.text
    back = httpx.get(started.headers["location"])
    assert back.status_code == 307
    return str(back.headers["location"])


def signed_in(people: People, query: str = "") -> tuple[httpx.Client, httpx.Response]:
    browser = people.nobody()
    answer = browser.get(to_provider(browser, query))
    return browser, answer


def user(browser: httpx.Client) -> dict[str, Any] | None:
    found: dict[str, Any] | None = browser.get("/api/session").json()["user"]
    return found


def test_somebody_signs_in_and_comes_back_to_the_same_chat(people: People, ann: Person) -> None:
    assert people.nobody().get("/api/session").json()["sso"] == "Example"
    browser, answer = signed_in(people, "c=01JDC3&view=people")
    assert answer.status_code == 200
    assert 'url=../../?c=01JDC3&amp;view=people"' in answer.text
    found = user(browser)
    assert found is not None
    assert (found["username"], found["name"], found["role"]) == ("zoë", "Zoë Li", "member")
    again, _ = signed_in(people)
    assert (user(again) or {})["id"] == found["id"]
    has_password = [who.get("/api/account").json()["has_password"] for who in (browser, ann.http)]
    assert has_password == [False, True]
    assert [entry["action"] for entry in ann.http.get("/api/audit").json()].count("account_made") == 2


def test_an_account_of_the_same_name_is_not_taken_over(people: People, ann: Person, idp: Provider) -> None:
    idp.claims["preferred_username"] = "ann"
    browser, _ = signed_in(people)
    found = user(browser)
    assert found is not None
    assert found["username"] == "ann-2"
    assert found["id"] != ann.id
    idp.claims["sub"] = "43"  # and neither is that of another person at the provider
    other, _ = signed_in(people)
    assert (user(other) or {})["username"] == "ann-3"


def test_nobody_becomes_administrator_by_coming_first(people: People) -> None:
    browser, answer = signed_in(people)
    assert answer.status_code == 403
    assert "no administrator yet" in answer.text
    assert user(browser) is None


def test_roles_follow_the_groups(tmp_path: Path, idp: Provider) -> None:
    settings = scripted_settings(tmp_path, login=True, **options(idp, oidc_admin_groups=("ops",)))
    with serving(settings) as api:
        people = People(api.url, api.parts.auth.first_link)
        idp.claims["groups"] = ["ops", "all"]
        browser, _ = signed_in(people)
        assert (user(browser) or {})["role"] == "admin"  # which the provider vouches for
        people.invite(Person("zoë", browser, ""), "admin", "ann")
        idp.claims["groups"] = ["all"]
        signed_in(people)
        assert (user(browser) or {})["role"] == "member"
        people.close()


def test_whoever_is_disabled_stays_out(people: People, ann: Person) -> None:
    browser, _ = signed_in(people)
    found = user(browser)
    assert found is not None
    ann.http.patch(f"/api/users/{found['id']}", json={"disabled": True})
    again, answer = signed_in(people)
    assert (answer.status_code, user(again)) == (403, None)


def test_an_attempt_works_once_and_in_its_browser_only(people: People, ann: Person) -> None:
    browser = people.nobody()
    back = to_provider(browser)
    assert people.nobody().get(back).status_code == 403  # somebody else's browser: login CSRF
    assert browser.get(back).status_code == 403  # and it was used up by that
    back = to_provider(browser)
    assert browser.get(back).status_code == 200
    replayed = people.nobody(cookie="; ".join(f"{k}={v}" for k, v in browser.cookies.items())).get(back)
    assert replayed.status_code == 403
    for wrong in ("?state=x&code=y", "?code=y", "?error=access_denied&state=x", ""):
        assert browser.get(f"/login/oidc/callback{wrong}").status_code == 403


def test_a_key_that_the_provider_has_changed_is_found(
    people: People, ann: Person, idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(people)
    signed_in(people)
    assert idp.asked == ["keys"]  # read once
    idp.rotate("second")
    monkeypatch.setattr("app.auth.sso.provider._KEYS_AT_MOST_EVERY_S", 0.0)
    browser, answer = signed_in(people)
    assert (answer.status_code, idp.asked) == (200, ["keys", "keys"])
    assert user(browser) is not None


OTHER = RSAKey.generate_key(2048, {"kid": "first"})
NOW = int(time.time())


WRONG: list[dict[str, Any]] = [
    {"issuer": "https://evil.example"},  # first: what is right is remembered
    {"claims": {"aud": "another-program"}},
    {"claims": {"aud": [CLIENT_ID, "another-program"]}},
    {"claims": {"iss": "https://evil.example"}},
    {"claims": {"exp": NOW - 3600}},
    {"claims": {"exp": None}},
    {"claims": {"nonce": "another"}},
    {"claims": {"nonce": None}},
    {"claims": {"sub": None}},
    {"signing_key": OTHER},
    {"algorithm": "HS256", "signing_key": OctKey.import_key(CLIENT_SECRET * 4)},
]


def test_tokens_that_are_not_for_us_are_refused(people: People, ann: Person, idp: Provider) -> None:
    right = dict(vars(idp))
    for wrong in WRONG:
        vars(idp).update(right)
        for name, value in wrong.items():
            setattr(idp, name, right["claims"] | value if name == "claims" else value)
        browser = people.nobody()
        answer = browser.get("/login/oidc")
        if answer.status_code == 303:
            answer = browser.get(httpx.get(answer.headers["location"]).headers["location"])
        assert answer.status_code == 403, wrong
        assert user(browser) is None, wrong
    vars(idp).update(right)
    assert user(signed_in(people)[0]) is not None


def test_a_provider_that_is_down_is_a_sentence(tmp_path: Path, idp: Provider) -> None:
    settings = scripted_settings(tmp_path, login=True, **options(idp, oidc_issuer="http://127.0.0.1:9"))
    with serving(settings) as api:
        people = People(api.url, None)
        answer = people.nobody().get("/login/oidc")
        assert (answer.status_code, "be reached" in answer.text) == (403, True)
        people.close()


@pytest.mark.parametrize(
    "issuer", ["http://idp.example", "ftp://idp.example", "javascript:alert(1)", "https://u:p@idp.example"]
)
def test_nobody_is_sent_to_an_unsafe_address(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        SingleSignOn.of(scripted_settings(tmp_path, oidc_issuer=issuer))


def test_the_way_to_the_provider_names_what_it_must(people: People, ann: Person, api: Api) -> None:
    started = people.nobody(**{"x-forwarded-proto": "https"}).get("/login/oidc")
    query = {name: values[0] for name, values in parse_qs(urlsplit(started.headers["location"]).query).items()}
    assert query["redirect_uri"] == f"https://{urlsplit(api.url).netloc}/login/oidc/callback"
    assert {"state", "nonce", "code_challenge"} <= query.keys()
    assert CLIENT_SECRET not in started.headers["location"]
    cookie = started.headers["set-cookie"].lower()
    assert {"httponly", "secure", "samesite=lax"} <= {part.strip() for part in cookie.split(";")}


# --- a reverse proxy that names people ----------------------------------------------------------------


def behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *trusted: str) -> Any:
    settings = scripted_settings(
        tmp_path, login=True, proxy_user_header="Remote-User", trusted_proxies=trusted, user_requests_per_minute=0
    )
    original = Server.__init__
    monkeypatch.setattr(
        Server, "__init__", lambda self, app, started=None, proxies=trusted: original(self, app, started, proxies)
    )
    return serving(settings)


def test_a_listed_proxy_names_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with behind(tmp_path, monkeypatch, "127.0.0.1") as api:
        people = People(api.url, api.parts.auth.first_link)
        people.first("ann")
        browser = people.nobody()
        assert browser.get("/api/info", headers={"remote-user": "li"}).status_code == 401  # the login page does it
        found = browser.get("/api/session", headers={"remote-user": "Li"}).json()["user"]
        assert (found["username"], found["role"]) == ("li", "member")
        assert browser.get("/api/info", headers={"remote-user": "li"}).json()["user"]["username"] == "li"
        assert browser.get("/api/info").status_code == 200  # what the page's own server asks
        assert browser.get("/api/info", headers={"remote-user": "bo"}).status_code == 401  # somebody else there now
        twice = [("remote-user", "li"), ("remote-user", "ann")]
        assert people.nobody().get("/api/session", headers=twice).json()["user"] is None
        people.close()


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8",)])
def test_nobody_else_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: tuple[str, ...]) -> None:
    with behind(tmp_path, monkeypatch, *trusted) as api:
        people = People(api.url, api.parts.auth.first_link)
        people.first("ann")
        spoofed = {"remote-user": "ann", "x-forwarded-for": "10.0.0.1", "x-real-ip": "10.0.0.1"}
        assert people.nobody().get("/api/session", headers=spoofed).json()["user"] is None
        people.close()
