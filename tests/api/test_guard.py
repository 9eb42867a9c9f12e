"""Who may ask: requests from other sites' pages are refused, and no answer is left where others can read it."""

from __future__ import annotations

import logging
import socket
from urllib.parse import urlsplit

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.api.guard import HostAndOriginCheck
from tests.support.servers import Api

NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FOREIGN = ("cross-site", "same-site", "something new")
UNKNOWN_IDS = [f"{number:026d}" for number in range(50)]


def host(api: Api) -> str:
    return urlsplit(api.url).netloc


@pytest.mark.parametrize("site", FOREIGN)
@pytest.mark.parametrize("mode", ["no-cors", "cors", "navigate", "same-origin"])
def test_another_sites_page_reads_nothing_and_cannot_time_a_search(shared_api: Api, site: str, mode: str) -> None:
    for path in ("/api/conversations?q=secret", "/v1/models", "/healthz", "/metrics", "/openapi.json", "/nothing"):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": "document"}
        answer = shared_api.http.get(path, headers=headers)
        assert answer.status_code == 403, path
        assert answer.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize("site", FOREIGN)
def test_another_sites_page_may_only_link_to_the_page(shared_api: Api, site: str) -> None:
    link = {"sec-fetch-site": site, **NAVIGATION}
    assert shared_api.http.get("/?c=1", headers=link).status_code != 403
    for method in ("POST", "HEAD", "OPTIONS", "PUT"):
        assert shared_api.http.request(method, "/", headers=link).status_code == 403, method
    for changed in ({"sec-fetch-mode": "no-cors"}, {"sec-fetch-dest": "iframe"}, {"origin": "null"}):
        assert shared_api.http.get("/", headers=link | changed).status_code == 403, changed
    assert shared_api.http.get("/", headers={"sec-fetch-site": site}).status_code == 403


@pytest.mark.parametrize("site", ["same-origin", "none", None])
def test_our_page_the_address_bar_and_programs_are_served(shared_api: Api, site: str | None) -> None:
    headers = {"sec-fetch-site": site} if site else {}
    assert shared_api.http.get("/api/conversations", headers=headers).status_code == 200
    assert shared_api.http.post("/api/conversations", json={}, headers=headers).status_code == 201


def test_a_foreign_origin_is_refused(shared_api: Api) -> None:
    name = host(shared_api)
    for origin in (
        *("null", "http://evil.example", f"http://evil.example:{name.rpartition(':')[2]}", "http://127.0.0.1:1"),
        *(f"ftp://{name}", f"chrome-extension://{name}", f"//{name}", name, f"http://{name}/", f"http:{name}"),
        *(f"http://{name} http://{name}", f"http://user@{name}", ""),
    ):
        answer = shared_api.http.post("/api/conversations", json={}, headers={"origin": origin})
        assert answer.status_code == 403, origin


@pytest.mark.parametrize("scheme", ["http", "https", "HTTPS"])
def test_our_own_origin_is_accepted_also_behind_a_proxy_that_decrypts(shared_api: Api, scheme: str) -> None:
    headers = {"origin": f"{scheme}://{host(shared_api)}"}
    assert shared_api.http.post("/api/conversations", json={}, headers=headers).status_code == 201


def test_http_is_foreign_to_a_page_that_came_over_https(shared_api: Api) -> None:
    """A proxy on this machine tells the scheme; uvicorn takes it from nobody else."""
    headers = {"x-forwarded-proto": "https", "origin": f"http://{host(shared_api)}"}
    assert shared_api.http.post("/api/conversations", json={}, headers=headers).status_code == 403


@pytest.mark.parametrize("name", ["Host", "Origin", "Sec-Fetch-Site"])
def test_a_doubled_header_cannot_hide_the_other(shared_api: Api, name: str) -> None:
    good = {"Host": host(shared_api), "Origin": shared_api.url, "Sec-Fetch-Site": "same-origin"}
    bad = {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    for values in ([good[name], bad[name]], [bad[name], good[name]]):
        lines = [f"{key}: {value}" for key, value in good.items() if key != name] + [f"{name}: {v}" for v in values]
        assert answer_to(shared_api, "GET /api/info HTTP/1.1", *lines).startswith(b"HTTP/1.1 403"), values


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_not_even_the_same_host_or_origin_is_sent_twice(shared_api: Api, name: str) -> None:
    good = {"Host": host(shared_api), "Origin": shared_api.url}
    lines = [f"{key}: {value}" for key, value in (*good.items(), (name, good[name]))]
    assert answer_to(shared_api, "GET /api/info HTTP/1.1", *lines).startswith(b"HTTP/1.1 403")


SAME, OTHER_PORT, OTHER_SITE, UNSAID = "same-origin", "same-site", "cross-site", None


@pytest.mark.parametrize(
    ("host", "origin", "site", "ours"),
    [
        # A proxy that leaves out the port, or puts our address in the place of its own name.
        ("127.0.0.1", "http://127.0.0.1:8080", SAME, True),
        ("chat.lan", "http://chat.lan:8080", SAME, True),
        ("chat.lan:8080", "http://chat.lan:9090", UNSAID, True),
        ("127.0.0.1:7860", "http://127.0.0.1:8080", SAME, True),
        ("127.0.0.1:7860", "https://chat.lan", SAME, True),
        ("127.0.0.1:7860", "http://chat.lan:8080", UNSAID, True),
        ("127.0.0.1:7860", "http://[2001:db8::1]:80", UNSAID, True),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]:80", UNSAID, True),
        # Pages of others.
        ("127.0.0.1", "http://127.0.0.1:8080", OTHER_PORT, False),
        ("127.0.0.1", "http://127.0.0.1:8080", UNSAID, False),
        ("127.0.0.1:7860", "http://localhost:3000", UNSAID, False),
        ("127.0.0.1:7860", "http://evil.example", SAME, False),
        ("127.0.0.1:7860", "http://evil.example", UNSAID, False),
        ("chat.lan", "http://chat.lan:8080", OTHER_PORT, False),
        ("chat.lan", "http://chat.lan.evil.example", SAME, False),
        ("chat.lan", "http://evil.example/chat.lan", UNSAID, False),
        ("chat.lan", "http://evil.example:chat.lan", UNSAID, False),
        ("chat.lan", "http://chat.lan@evil.example", UNSAID, False),
        ("chat.lan", "null", SAME, False),
        ("evil.example", "http://evil.example", SAME, False),
        ("chat.lan.evil.example", "http://chat.lan", SAME, False),
    ],
)
@pytest.mark.anyio
async def test_what_is_our_page_behind_a_proxy(host: str, origin: str, site: str | None, ours: bool) -> None:
    async def inner(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        sent.append(message)

    sent: list[Message] = []
    headers = {"host": host, "origin": origin, "sec-fetch-site": site}
    found = [(name.encode(), value.encode()) for name, value in headers.items() if value]
    scope = {"type": "http", "scheme": "http", "method": "POST", "path": "/api/conversations", "headers": found}
    await HostAndOriginCheck(inner, ("chat.lan", "2001:db8::1"))(scope, None, send)  # type: ignore[arg-type]
    assert (sent[0]["status"] == 200) == ours


def test_who_opens_the_page_under_an_unknown_name_is_told_on_a_page(shared_api: Api) -> None:
    accept = "text/html,application/xhtml+xml,*/*;q=0.8"
    answer = shared_api.http.get("/", headers={"host": "<b>.lan:80", "accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "PARLEY_ALLOWED_HOSTS=&lt;b&gt;.lan" in answer.text
    assert "主机名" in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def answer_to(api: Api, *lines: str) -> bytes:
    """The answer to a request of these lines, which a client library would refuse to send."""
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall("\r\n".join((*lines, "Connection: close", "", "")).encode())
        return b"".join(iter(lambda: raw.recv(10_000), b""))


def test_every_answer_keeps_other_sites_out_and_private_ones_are_not_kept(shared_api: Api) -> None:
    conversation = shared_api.conversation()
    for path, kept in {
        f"/api/conversations/{conversation}": "no-store",
        "/api/conversations?q=x": "no-store",
        "/api/nothing": "no-store",
        "/v1/models": "no-store",
        "/ui/conversations/x": "no-store",
        "/healthz": None,
        "/openapi.json": None,
    }.items():
        answer = shared_api.http.get(path)
        assert answer.headers["cross-origin-resource-policy"] == "same-origin", path
        assert answer.headers.get("cache-control") == kept, path
    refused = shared_api.http.get("/api/info", headers={"host": "evil.example"})
    assert refused.headers["cross-origin-resource-policy"] == "same-origin"
    too_large = shared_api.http.post("/api/conversations", content=b"x" * 3_000_000)
    assert (too_large.status_code, too_large.headers["cache-control"]) == (413, "no-store")


def test_a_routes_own_caching_is_kept(shared_api: Api) -> None:
    url = f"/api/conversations/{shared_api.conversation()}/events"
    with shared_api.http.stream("GET", url) as events:
        assert events.headers.get_list("cache-control") == ["no-store"]


def test_an_unknown_conversation_leaves_nothing_behind(shared_api: Api) -> None:
    """Channels for ids that anybody can make up stayed for minutes: 200 requests, 200 channels."""
    channels = shared_api.parts.conversations._hub._channels
    before = set(channels)
    for unknown in UNKNOWN_IDS:
        url = f"/api/conversations/{unknown}"
        asked = [shared_api.http.get(f"{url}{rest}") for rest in ("", "/events", "/export")]
        asked += [shared_api.http.delete(url), shared_api.http.post(f"{url}/restore")]
        asked += [shared_api.http.patch(url, json={"title": "x"})]
        asked += [shared_api.http.post(f"{url}/messages", json={"content": "x"})]
        assert {answer.status_code for answer in asked} == {404}
    assert set(channels) == before


@pytest.fixture
def broken_api(shared_api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Api:
    """One with a bug."""

    async def bug(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(shared_api.parts.conversations, "list", bug)
    caplog.set_level(logging.CRITICAL)
    return shared_api


def test_a_bug_is_answered_like_all_else(broken_api: Api) -> None:
    answer = broken_api.http.get("/api/conversations")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_after_a_bug_the_connection_is_closed_as_the_answer_says(broken_api: Api) -> None:
    address = urlsplit(broken_api.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(f"GET /api/conversations HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(10_000), b""))  # until it is closed
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"connection: close" in answer.lower()
