"""Answers are compressed for those who accept it, event streams never."""

from __future__ import annotations

import json

from tests.support.servers import Api, read_events

COMPRESSED = {"Accept-Encoding": "gzip"}


def test_long_answers_are_compressed(shared_api: Api) -> None:
    with shared_api.http.stream("GET", "/api/models", headers=COMPRESSED) as answer:
        on_the_wire = int(answer.headers["content-length"])
        body = answer.read()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert on_the_wire < len(body) / 2
    plain = shared_api.http.get("/api/models", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert json.loads(body)["items"] == plain.json()["items"]


def test_short_answers_are_not(shared_api: Api) -> None:
    assert "content-encoding" not in shared_api.http.get("/healthz", headers=COMPRESSED).headers


def test_an_event_stream_is_neither_compressed_nor_held_back(shared_api: Api) -> None:
    """Its first event is there while the stream is open and nothing else happens."""
    made = shared_api.conversation()
    with shared_api.http.stream("GET", f"/api/conversations/{made}/events", headers=COMPRESSED) as answer:
        assert "content-encoding" not in answer.headers
        assert next(read_events(answer)).name == "snapshot"
