"""Import and export over HTTP: large files, archives, progress, and what is told."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from app.api.routes import transfers
from tests.api.conftest import SCRIPT
from tests.support.chat_files import raw, zipped
from tests.support.servers import Api, scripted_settings, serving

URL = "/api/conversations/import"
Q = {"role": "user", "content": "q"}
CHAT = {"title": "One", "messages": [Q, {"role": "assistant", "content": None}, {"role": "assistant", "content": "a"}]}


def test_the_export_of_a_long_chat_comes_back(api: Api) -> None:
    turns = [{"role": ("user", "assistant")[i % 2], "content": f"{i}: " + "word " * 370} for i in range(1200)]
    body = raw({"title": "Long", "messages": turns})
    assert len(body) > api.parts.settings.max_body_bytes
    made = api.http.post(URL, content=body).json()
    exported = api.http.get(f"/api/conversations/{made['id']}/export", params={"format": "json"})
    assert len(exported.content) > len(body)
    again = api.http.post(URL, content=exported.content)
    assert again.status_code == 201, again.text
    for given in (made["id"], again.json()["id"]):
        assert sorted(m["content"] for m in api.messages(given).values()) == sorted(t["content"] for t in turns)


def test_the_answer_says_what_was_taken_and_what_was_not(api: Api) -> None:
    answer = api.http.post(URL, content=raw([CHAT, {"title": "Nothing"}, {**CHAT, "title": "Two"}]))
    assert answer.status_code == 201
    report = answer.json()["report"]
    assert [c["title"] for c in report["conversations"]] == ["One", "Two"]
    assert {c["id"] for c in report["conversations"]} >= {answer.json()["id"]}
    assert (report["messages"], report["left_out"], report["changed"]) == (4, {"no_text": 2}, {})
    assert report["skipped"] == {"no_messages": 1}
    assert report["skipped_items"] == [{"reason": "no_messages", "name": "", "title": "Nothing"}]
    assert report["stopped"] is None


@pytest.mark.parametrize("kind", ["application/json", "application/zip", "text/plain", None])
def test_the_content_decides_not_the_content_type(api: Api, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    for body in (raw(CHAT), raw(CHAT) + b"\n" + raw(CHAT), zipped({"a.json": CHAT})):
        assert api.http.post(URL, content=body, headers=headers).status_code == 201


def test_progress_comes_as_lines(api: Api) -> None:
    headers = {"accept": "application/x-ndjson"}
    chats = [{**CHAT, "title": str(n)} for n in range(3)]
    lines = api.http.post(URL, content=raw(chats), headers=headers).text.splitlines()
    assert json.loads(lines[0]) == {"conversations": 0, "messages": 0, "judgements": 0, "read": 0.0}
    assert json.loads(lines[-1])["imported"]["report"]["messages"] == 6
    lines = api.http.post(URL, content=b"no", headers=headers).text.splitlines()
    assert json.loads(lines[-1])["error"]["code"] == "invalid_import"


def test_everything_is_exported_and_comes_back(api: Api) -> None:
    first = api.conversation(title="Rated", system_prompt="Short.")
    reply = api.answer(first, "One")
    api.http.put(f"/api/messages/{reply['id']}/rating", json={"verdict": "down", "reasons": ["wrong"], "comment": "no"})
    api.http.post(URL, content=raw([CHAT, {**CHAT, "title": "Two"}]))
    exported = api.http.get("/api/conversations/export")
    assert exported.headers["content-type"] == "application/zip"
    assert ".zip" in exported.headers["content-disposition"]
    assert "content-encoding" not in exported.headers, "it is compressed already"
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".json")]) == 3
    for item in api.http.get("/api/conversations").json()["items"]:
        api.http.delete(f"/api/conversations/{item['id']}")
    report = api.http.post(URL, content=exported.content).json()["report"]
    assert {c["title"] for c in report["conversations"]} == {"Rated", "One", "Two"}
    assert (report["left_out"], report["changed"], report["skipped"]) == ({}, {}, {})
    back = next(c["id"] for c in report["conversations"] if c["title"] == "Rated")
    assert [m["rating"]["comment"] for m in api.messages(back).values() if m["rating"]] == ["no"]


def test_a_client_that_leaves_in_the_middle_of_its_file_is_no_bug(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Event()

    class Watched(io.BufferedRandom):
        def close(self) -> None:
            super().close()
            closed.set()

    real = transfers._unnamed
    monkeypatch.setattr(transfers, "_unnamed", lambda folder: Watched(real(folder).detach()))  # type: ignore[attr-defined]
    address = urlsplit(api.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0))) as connection:
        head = f"POST {URL} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(head.encode() + b'{"messages": [')
    assert closed.wait(20), "its file is closed"
    assert api.http.post(URL, content=raw(CHAT)).status_code == 201
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_the_limit_of_imports_is_a_setting(tmp_path: Path) -> None:
    settings = scripted_settings(tmp_path, max_import_bytes=10_000)
    with serving(settings, SCRIPT) as api:
        assert api.http.get("/api/info").json()["limits"]["import_bytes"] == 10_000
        assert api.http.post(URL, content=raw(CHAT)).status_code == 201
        body = raw({"messages": [{**Q, "content": "x" * 10_000}]})
        for content in (body, iter([body[:5000], body[5000:]])):
            answer = api.http.post(URL, content=content)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
            assert answer.json()["error"]["details"] == {"limit_bytes": 10_000}
        named = api.http.post("/api/conversations", json={"title": "x" * 20_000})
        assert named.status_code == 422, "the others keep theirs"
    assert list((tmp_path / "data").glob("tmp*")) == []


def test_odd_reasoning_spoils_no_import(api: Api) -> None:
    def chat(title: str, reply: dict[str, str]) -> dict[str, object]:
        turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", **reply}]
        return {"title": title, "messages": turns}

    long = "x" * 500_000
    chats = [
        chat("fine", {}),
        chat("null", {"reasoning_content": "a\0b"}),
        chat("tag", {"content": "<think>a\0b</think>Hi"}),
        chat("long", {"content": f"<think>{long}</think>Hi"}),
        {"title": "many", "messages": [chat("", {"reasoning_content": long})["messages"][1]] * 40},  # type: ignore[index]
    ]
    report = api.http.post("/api/conversations/import", json=chats, timeout=60).json()["report"]
    assert sorted(one["title"] for one in report["conversations"]) == ["fine", "long", "many", "null", "tag"]
    assert report["changed"] == {"shortened": 41}


def test_exports_are_named_by_the_chat_in_any_script(api: Api) -> None:
    made = api.conversation(title="हिन्दी: a/b")
    api.answer(made, "Hi")
    exported = api.http.get(f"/api/conversations/{made}/export", params={"format": "json"})
    assert unquote(exported.headers["content-disposition"]).endswith("''हिन्दी ab.json")
    with zipfile.ZipFile(io.BytesIO(api.http.get("/api/conversations/export").content)) as archive:
        assert any("हिन्दी ab" in name for name in archive.namelist())
