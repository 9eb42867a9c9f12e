"""What one client may take of the server: the size of a request's head, and how long it may be silent."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psutil
import pytest

from app.cli.uvicorn_protocol import LimitedProtocol, Limits
from app.engine.scripted import echo
from app.main import create_app
from tests.support.servers import Api, read_events, running, scripted_engines, scripted_settings, serving

HEAD_S, SILENCE_S = 0.5, 1.0
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /api/conversations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Impatient(LimitedProtocol):
    limits = Limits(head_s=HEAD_S, body_silence_s=SILENCE_S)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """With the usual limits."""
    with serving(scripted_settings(tmp_path_factory.mktemp("usual"))) as found:
        yield found


@pytest.fixture(scope="module")
def impatient_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    settings = scripted_settings(tmp_path_factory.mktemp("impatient"))
    with running(create_app(settings, scripted_engines(echo(delay_ms=0))), settings, protocol=Impatient) as found:
        yield found


def with_body(length: int) -> bytes:
    """The head of a request with a body."""
    return POST + b"Content-Length: %d\r\n\r\n" % length


@contextmanager
def connected(api: Api) -> Iterator[socket.socket]:
    address = urlsplit(api.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as raw:
        yield raw


def until_closed(raw: socket.socket) -> bytes:
    return b"".join(iter(lambda: raw.recv(65536), b""))


def one_answer(raw: socket.socket) -> bytes:
    """The head and body of an answer, on a connection that stays open."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += raw.recv(65536)
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


# --- size ---------------------------------------------------------------------------------------------


HUGE = {
    "one header": (HEAD + b"X: ", b"x" * 65536),
    "many headers": (HEAD, b"X: y\r\n" * 10_000),
    "a header's name": (HEAD, b"x" * 65536),
    "the path": (b"GET /", b"x" * 65536),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 10_000),
    "one trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nX: ", b"x" * 65536),
    "a chunk's extension": (CHUNKED + b"2;", b"x" * 65536),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_head_is_refused_and_takes_no_memory(api: Api, name: str) -> None:
    start, more = HUGE[name]
    before = psutil.Process().memory_info().rss
    with connected(api) as raw:
        raw.sendall(start)
        for _ in range(500):  # 32 MB
            raw.sendall(more)
        answer = until_closed(raw)
    assert status(answer) == 431
    assert psutil.Process().memory_info().rss - before < 16e6


def test_the_refusal_is_readable_and_says_the_limit(api: Api) -> None:
    with connected(api) as raw:
        raw.sendall(HEAD + b"X: " + b"x" * 400_000)
        answer = until_closed(raw)
    assert b"connection: close" in answer
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["code"] == "head_too_large"
    assert "64 KB" in error["message"]


@pytest.mark.parametrize(("size", "expected"), [(60_000, 200), (70_000, 431)])
@pytest.mark.parametrize("pieces", [1, 7])
def test_the_limit_is_the_same_in_one_piece_and_in_many(api: Api, size: int, expected: int, pieces: int) -> None:
    whole = HEAD + b"X: " + b"x" * size + b"\r\nConnection: close\r\n\r\n"
    step = len(whole) // pieces + 1
    with connected(api) as raw:
        for at in range(0, len(whole), step):
            raw.sendall(whole[at : at + step])
            time.sleep(0.01)  # so that the pieces arrive one by one
        assert status(until_closed(raw)) == expected


def test_large_bodies_and_many_requests_on_one_connection_are_no_large_heads(api: Api) -> None:
    body = b"{" + b" " * 30_000 + b"}"
    with connected(api) as raw:
        raw.sendall((with_body(len(body)) + body) * 20 + HEAD + b"Connection: close\r\n\r\n")
        answer = until_closed(raw)
    assert answer.count(b"HTTP/1.1 201") == 20
    assert answer.count(b"HTTP/1.1 200") == 1


def test_trailers_are_no_headers(api: Api) -> None:
    """The application may already have checked the headers when they come."""
    with connected(api) as raw:
        raw.sendall(CHUNKED + b"2\r\n{}\r\n0\r\nHost: evil.example\r\nOrigin: null\r\n\r\n")
        assert status(one_answer(raw)) == 201


# --- silence ------------------------------------------------------------------------------------------


def test_clients_that_fall_silent_are_disconnected(impatient_api: Api) -> None:
    half = [
        b"",
        b"\r\n",
        b"GET",
        HEAD,
        HEAD + b"X: y",
        with_body(2),
        with_body(2) + b"{",
        CHUNKED,
        CHUNKED + b"2\r\n{}\r\n",
    ]
    with ExitStack() as stack:
        silent = [(sent, stack.enter_context(connected(impatient_api))) for sent in half]
        for sent, raw in silent:
            raw.sendall(sent)
        assert {sent: until_closed(raw) for sent, raw in silent} == dict.fromkeys(half, b"")


def test_also_after_a_request_that_was_answered(impatient_api: Api) -> None:
    half = [b"\r\n", HEAD, with_body(2)]
    with ExitStack() as stack:
        silent = [(sent, stack.enter_context(connected(impatient_api))) for sent in half]
        for sent, raw in silent:
            raw.sendall(HEAD + b"\r\n")
            assert status(one_answer(raw)) == 200
            raw.sendall(sent)
        assert {sent: until_closed(raw) for sent, raw in silent} == dict.fromkeys(half, b"")


@pytest.mark.parametrize("drop", [b"x", b"\r\n"])
def test_a_head_that_drips_in_does_not_keep_the_connection(impatient_api: Api, drop: bytes) -> None:
    with connected(impatient_api) as raw:
        raw.sendall(HEAD if drop == b"x" else b"\r\n")
        try:
            for _ in range(100):
                time.sleep(HEAD_S / 4)
                raw.sendall(drop)
        except OSError:
            return
    raise AssertionError("it stayed open for 25 times the limit")


def test_a_slow_body_that_keeps_coming_is_read_to_its_end(impatient_api: Api) -> None:
    body = b'{"title": "slow"}'
    with connected(impatient_api) as raw:
        raw.sendall(with_body(len(body)))
        for at in range(len(body)):
            time.sleep(SILENCE_S / 15)
            raw.sendall(body[at : at + 1])
        assert status(one_answer(raw)) == 201


def test_a_client_that_only_reads_stays_connected(impatient_api: Api) -> None:
    url = f"/api/conversations/{impatient_api.conversation()}/events"
    with impatient_api.http.stream("GET", url) as stream:
        names = [event.name for event, _ in zip(read_events(stream), range(5), strict=False)]
    assert names.count("heartbeat") == 4  # 2 s, four times the limit for a head


def test_connections_are_used_again_after_a_pause(impatient_api: Api) -> None:
    with connected(impatient_api) as raw:
        for _ in range(3):
            raw.sendall(HEAD + b"\r\n")
            assert status(one_answer(raw)) == 200
            time.sleep(HEAD_S * 1.5)


def test_an_answer_under_way_is_not_mixed_with_a_refusal(impatient_api: Api) -> None:
    url = f"/api/conversations/{impatient_api.conversation()}/events"
    with connected(impatient_api) as raw:
        raw.sendall(f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        answer = one_answer(raw)
        raw.sendall(b"no HTTP at all\r\n\r\n")
        assert b"HTTP/1.1 4" not in answer + until_closed(raw)
