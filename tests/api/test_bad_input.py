"""Whatever is sent, the answer is a clear 4xx in the one error shape."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from urllib.parse import urlsplit

import pytest

from tests.support.servers import Api

DEEP = b"[" * 100_000 + b"]" * 100_000
BODIES = [
    b"",
    b"{",
    b'{"content": "\xff\xfe"}',
    b'{"content": "\xed\xa0\x80"}',
    b'{"content": "\\ud800"}',
    b'{"content": "a\\u0000b"}',
    b'{"content": 1}',
    b'{"content": null}',
    b'{"content": "x", "parent_id": ""}',
    b'{"content": "x", "surprise": 1}',
    b'{"content": "x", "sampling": {"temperature": NaN}}',
    b'{"content": "x", "sampling": {"temperature": 1e999}}',
    b'{"content": "x", "sampling": {"temperature": -Infinity}}',
    b'{"content": "x", "sampling": {"temperature": -1}}',
    b'{"content": "x", "sampling": {"top_p": 0}}',
    b'{"content": "x", "sampling": {"top_k": 1.5}}',
    b'{"content": "x", "sampling": {"seed": -1}}',
    b'{"content": "x", "sampling": {"max_new_tokens": 0}}',
    b'{"content": "x", "sampling": {"repetition_penalty": 0}}',
    b'{"content": "x", "sampling": {"stop": ["\\ud800"]}}',
    b'{"content": "x", "sampling": {"stop": [' + b'"a",' * 9_999 + b'"a"]}}',
    b'{"content": "x", "sampling": {"max_new_tokens": ' + b"9" * 5_000 + b"}}",
    b'{"content": "x", "sampling": {"seed": ' + b"9" * 400 + b"}}",
    b'{"content": "x", "sampling": {"temperature": ' + b"9" * 400 + b"}}",
    b'{"content": "x", "' + b"long" * 10_000 + b'": 1}',
    b'{"content": ' + DEEP + b"}",
    b"[]",
    b'"text"',
    b"\x00\x01\x02",
]


@pytest.mark.parametrize("body", BODIES, ids=lambda b: b[:40].decode("latin-1"))
def test_a_bad_body_gets_a_clear_4xx_quickly(shared_api: Api, body: bytes) -> None:
    conversation = shared_api.conversation()
    began = time.monotonic()
    url = f"/api/conversations/{conversation}/messages"
    answer = shared_api.http.post(url, content=body, headers={"content-type": "application/json"})
    assert time.monotonic() - began < 1
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details"}
    assert 10 < len(error["message"]) < 500
    assert shared_api.messages(conversation) == {}


@pytest.mark.parametrize(
    ("url", "size"),
    [
        ("/api/conversations", 10_000_000),
        ("/api/conversations/import/", 10_000_000),  # not the route that may get more
    ],
)
def test_what_is_too_large_is_refused_declared_or_not(shared_api: Api, url: str, size: int) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "x" * size}]}).encode()
    declared = shared_api.http.post(url, content=body, headers={"content-type": "application/json"})
    chunked = shared_api.http.post(
        url,
        content=(body[i : i + 65536] for i in range(0, len(body), 65536)),
        headers={"content-type": "application/json"},
    )
    for answer in (declared, chunked):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "body_too_large"


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "", "[::2]", "localhost.evil"])
def test_other_host_names_are_refused(shared_api: Api, name: str) -> None:
    answer = shared_api.http.get("/api/info", headers={"Host": name})
    assert answer.status_code in (400, 403)


def test_pages_of_other_sites_are_refused(shared_api: Api) -> None:
    port = urlsplit(shared_api.url).port
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Origin": "//"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        answer = shared_api.http.post("/api/conversations", json={}, headers=headers)
        assert answer.status_code == 403, headers
        assert answer.json()["error"]["code"] == "forbidden"
    own = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}
    assert shared_api.http.post("/api/conversations", json={}, headers=own).status_code == 201


def test_every_answer_carries_the_security_headers(shared_api: Api) -> None:
    for path in ("/healthz", "/api/info", "/nothing", "/openshared_api.json"):
        headers = shared_api.http.get(path).headers
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/conversations/nobody"),
        ("PATCH", "/api/conversations/nobody"),
        ("DELETE", "/api/conversations/nobody"),
        ("POST", "/api/conversations/nobody/restore"),
        ("GET", "/api/conversations/nobody/export"),
        ("GET", "/api/conversations/nobody/events"),
        ("POST", "/api/messages/nobody/stop"),
        ("POST", "/api/messages/nobody/regenerate"),
        ("POST", "/api/messages/nobody/continue"),
        ("GET", "/api/models/nobody"),
        ("POST", "/api/models/nobody/pull"),
        ("POST", "/api/models/nobody/load"),
        ("POST", "/api/models/nobody/unload"),
        ("GET", "/nothing/here"),
    ],
)
def test_what_does_not_exist_is_404(shared_api: Api, method: str, path: str) -> None:
    answer = shared_api.http.request(method, path, json={} if method in ("POST", "PATCH") else None)
    assert answer.status_code == 404, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "query", ["q=%ff", "q=%00", "limit=0", "limit=x", "limit=" + "9" * 5000, "cursor=%00", "q=" + "a" * 300]
)
def test_bad_queries_are_4xx(shared_api: Api, query: str) -> None:
    assert 400 <= shared_api.http.get(f"/api/conversations?{query}").status_code < 500 or query == "q=%ff"


def test_nonsense_on_the_socket_disturbs_nobody(shared_api: Api) -> None:
    address = urlsplit(shared_api.url)
    for raw in (
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"\r\n" * 1000,
    ):
        with socket.create_connection((address.hostname, address.port)) as s:  # type: ignore[arg-type]
            s.sendall(raw)
            s.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                s.recv(4096)
    assert shared_api.http.get("/healthz").status_code == 200
