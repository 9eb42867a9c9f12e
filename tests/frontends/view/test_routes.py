"""The page's server side in front of a scripted API."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from frontends.render import MarkdownRenderer
from tests.support.fake_api import FakeApi, Seen, delta, event, message, snapshot, watch

WHOLE = MarkdownRenderer().render


def named(events: list[Seen], name: str) -> list[dict[str, Any]]:
    return [data for _, found, data in events if found == name]


def page(events: list[Seen], message_id: str) -> str:
    """What a view that keeps blocks by index shows in the end."""
    shown: dict[int, str] = {}
    for _, name, data in events:
        running = data["running"] if name == "snapshot" else [data] if name == "render" else []
        for reply in running:
            if reply["message_id"] == message_id:
                shown |= {b["index"]: b["html"] for b in reply["blocks"]}
    return "".join(shown[i] for i in sorted(shown))


def watch_page(browser: httpx.Client, headers: dict[str, str] | None = None, **expected: str) -> list[Seen]:
    """The events up to those after which the page shows what is `expected`: HTML per reply."""
    events = watch(browser, headers, lambda seen: all(page(seen, key) == html for key, html in expected.items()))
    assert {key: page(events, key) for key in expected} == expected
    return events


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it did not happen in time"
        time.sleep(0.005)


# --- whole conversations ---------------------------------------------------------------------------


def test_conversation_carries_html(api: FakeApi, browser: httpx.Client) -> None:
    api.messages = [message("q", "user", "a <b>\nc"), message("r", content="**x**"), message("p", state="pending")]
    answer = browser.get("/conversations/c1")
    assert [m["html"] for m in answer.json()["messages"]] == [
        '<p dir="auto">a &lt;b&gt;<br>c</p>',
        '<p dir="auto"><strong>x</strong></p>\n',
        "",
    ]
    assert answer.json()["title"] == "T"
    assert answer.headers["cache-control"] == "no-store"


def test_refusals_pass_with_status_and_code(browser: httpx.Client) -> None:
    for path in ("/conversations/none", "/conversations/none/events"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"] == {
            "code": "conversation_not_found",
            "message": "There is no such conversation.",
            "details": {"x": 1},
        }


def test_the_callers_cookie_and_language_are_forwarded(api: FakeApi, browser: httpx.Client) -> None:
    browser.get("/conversations/c1", headers={"cookie": "s=1", "accept-language": "zh", "x-other": "no"})
    watch(browser, {"cookie": "s=2", "last-event-id": "e-7"})
    first, second = api.headers
    assert (first["cookie"], first["accept-language"], first.get("x-other")) == ("s=1", "zh", None)
    assert (second["cookie"], second["last-event-id"]) == ("s=2", "e-7")


# --- events ------------------------------------------------------------------------------------------


def test_deltas_become_blocks(api: FakeApi, browser: httpx.Client) -> None:
    text = "Hello **you**\n\n- a\n- b\n\nend"
    done = message("r", content=text)
    api.script = [
        snapshot(),
        event("message", {"message": message("r", state="pending")}, "e-1"),
        event("started", {"message_id": "r", "dropped_turns": 0}, "e-2"),
        *(delta("r", i, character, f"e-{i + 3}") for i, character in enumerate(text)),
        event("finished", {"message_id": "r", "message": done}, "e-90"),
    ]
    events = watch(browser)
    names = [name for _, name, _ in events]
    assert names[:3] == ["snapshot", "message", "started"]
    assert names[-2:] == ["render", "finished"]
    assert "delta" not in names
    assert page(events, "r") == WHOLE(text) == named(events, "finished")[0]["message"]["html"]
    assert named(events, "render")[-1]["text_length"] == len(text)
    assert events[-1][0] == "e-90"
    assert events[-2][0] == f"e-{len(text) + 2}"


def test_first_rendering_at_once_then_ten_a_second(api: FakeApi, browser: httpx.Client) -> None:
    api.script = [snapshot(), event("message", {"message": message("r", state="pending")})]
    for i in range(60):
        api.script += [delta("r", 2 * i, "a "), 0.02]
    started = time.monotonic()
    rendered = named(watch(browser), "render")
    seconds = time.monotonic() - started
    assert rendered[0]["text_length"] == len("a ")
    assert 3 <= len(rendered) <= seconds * 10 + 2


def test_text_before_a_pause_is_shown(api: FakeApi, browser: httpx.Client) -> None:
    """A rendering that was put off happens although no further event comes."""
    pending = event("message", {"message": message("r", state="pending")})
    api.script = [snapshot(), pending, delta("r", 0, "one "), 0.03, delta("r", 4, "two"), 60.0]
    with browser.stream("GET", "/conversations/c1/events") as answer:
        assert any("one two</p>" in line for line in answer.iter_lines())


def test_snapshot_brings_blocks_and_deltas_go_on(api: FakeApi, browser: httpx.Client) -> None:
    api.script = [snapshot(r="# T\n\nab"), 0.2, delta("r", 7, "cd"), 60.0]
    events = watch_page(browser, r=WHOLE("# T\n\nabcd"))
    [running] = named(events, "snapshot")[0]["running"]
    assert running["blocks"][0]["html"] == '<h1 dir="auto">T</h1>\n'
    assert {b["index"] for data in named(events, "render") for b in data["blocks"]} <= {1}


def test_overlapping_deltas_are_not_doubled(api: FakeApi, browser: httpx.Client) -> None:
    api.script = [snapshot(r="你好😀ab"), delta("r", 3, "abc"), delta("r", 0, "你好"), delta("r", 6, "d"), 60.0]
    watch_page(browser, r='<p dir="auto">你好😀abcd</p>\n')


def test_resuming_tells_of_known_replies_and_of_new_ones(api: FakeApi, browser: httpx.Client) -> None:
    """Resuming brings no snapshot: what the browser knows already is told from its beginning too."""
    begun = event("message", {"message": message("new", content="begun ", state="pending")}, "e-9")
    api.script = [begun, delta("new", 6, "ended"), delta("old", 0, "abc"), delta("old", 3, "d"), 60.0]
    watch_page(browser, {"last-event-id": "e-8"}, new='<p dir="auto">begun ended</p>\n', old='<p dir="auto">abcd</p>\n')


def test_continued_reply_keeps_its_beginning(api: FakeApi, browser: httpx.Client) -> None:
    pending = message("r", content="begun ", state="pending")
    api.script = [snapshot(), event("message", {"message": pending}), delta("r", 6, "and ended"), 60.0]
    watch_page(browser, r='<p dir="auto">begun and ended</p>\n')


def test_line_separators_inside_text_survive(api: FakeApi, browser: httpx.Client) -> None:
    """U+2028 and its like end a line for many a library, not for server-sent events."""
    api.script = [snapshot(r=""), delta("r", 0, "a\u2028b\u0085c\x1cd"), 60.0]
    watch_page(browser, r='<p dir="auto">a\u2028b\u0085c\x1cd</p>\n')


def test_errors_bring_the_rest_of_the_text(api: FakeApi, browser: httpx.Client) -> None:
    failed = message("r", content="ab", state="failed")
    error = {"code": "worker_died", "message": "m", "details": {}}
    api.script = [
        snapshot(r="a"),
        delta("r", 1, "b"),
        event("error", {"message_id": "r", "error": error, "message": failed}),
    ]
    events = watch(browser)
    assert named(events, "error")[0]["error"] == error
    assert page(events, "r") == named(events, "error")[0]["message"]["html"] == '<p dir="auto">ab</p>\n'


def test_heartbeats_and_other_events_pass(api: FakeApi, browser: httpx.Client) -> None:
    rated = event("rated", {"message_id": "r", "rating": {"verdict": "up"}}, "e-3")
    api.script = [b": heartbeat\n\n", 0.05, rated, event("reset", {})]
    assert [(i, name) for i, name, _ in watch(browser)] == [(None, ": heartbeat"), ("e-3", "rated"), (None, "reset")]


def test_events_cut_anywhere_are_put_together(api: FakeApi, browser: httpx.Client) -> None:
    raw = snapshot(r="") + delta("r", 0, "你好，世界")
    api.script = [raw[i : i + 1] for i in range(len(raw))] + [60.0]
    watch_page(browser, r='<p dir="auto">你好，世界</p>\n')


def test_a_browser_that_leaves_closes_the_apis_stream(api: FakeApi, browser: httpx.Client) -> None:
    api.script = [snapshot(), 60.0]
    with browser.stream("GET", "/conversations/c1/events") as answer:
        chunks = answer.iter_bytes()
        next(chunks)
        until(lambda: api.open_streams == 1)
    until(lambda: api.open_streams == 0)


def test_a_slow_browser_makes_nothing_grow(api: FakeApi, ui_url: str) -> None:
    """While a browser doesn't read, its events wait at the API, not here; then it gets the whole text."""
    text = "word " * 20
    big = {"message_id": "other", "rating": {"comment": "x" * 20_000}}
    api.script = [snapshot(r="")]
    for i in range(3_000):
        api.script += [delta("r", i * len(text), text), event("rated", big)]
    address = urlsplit(ui_url)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((address.hostname, address.port))
        slow.sendall(b"GET /ui/conversations/c1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2)
        taken = api.sent_bytes
        time.sleep(1)
        assert api.sent_bytes == taken  # all came to rest
        assert taken < 30_000_000  # of 60 million
    until(lambda: api.open_streams == 0)


def test_many_deltas_for_a_slow_browser_become_one_rendering(api: FakeApi, browser: httpx.Client) -> None:
    api.script = [snapshot(r="")] + [delta("r", 5 * i, "word ") for i in range(2_000)]
    api.script.append(event("finished", {"message_id": "r", "message": message("r", content="word " * 2_000)}))
    events = watch(browser)
    assert len(named(events, "render")) < 30
    assert page(events, "r") == WHOLE("word " * 2_000)


def test_no_api(unreachable_url: str) -> None:
    answer = httpx.get(f"{unreachable_url}/conversations/c1", trust_env=False)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unreachable"


# --- reasoning -------------------------------------------------------------------------------------


def thought(offset: int, text: str, event_id: str | None = None) -> bytes:
    return event("reasoning", {"message_id": "r", "offset": offset, "text": text}, event_id)


def reasoning(events: list[Seen]) -> str:
    """What a view has in the end, which gets every piece once and in order."""
    text = ""
    for piece in named(events, "reasoning"):
        assert piece["offset"] == len(text)
        text += piece["text"]
    return text


def test_reasoning_comes_as_text_before_the_answer(api: FakeApi, browser: httpx.Client) -> None:
    done = message("r", content="Four.") | {"reasoning": "Two <b> and 二."}
    api.script = [
        snapshot(),
        event("message", {"message": message("r", state="pending")}, "e-1"),
        thought(0, "Two <b>", "e-2"),
        0.2,
        thought(3, " <b> and 二.", "e-3"),
        event("thought", {"message_id": "r", "thinking_ms": 1200}, "e-3"),
        delta("r", 0, "Four.", "e-4"),
        0.3,
        event("finished", {"message_id": "r", "message": done}, "e-5"),
    ]
    events = watch(browser)
    assert reasoning(events) == "Two <b> and 二."
    assert named(events, "reasoning")[-1]["thinking_ms"] == 1200
    names = [name for _, name, _ in events]
    assert "thought" not in names
    assert names.index("reasoning") < names.index("render")
    assert named(events, "finished")[0]["message"]["reasoning"] == "Two <b> and 二."


def test_reasoning_goes_on_after_a_snapshot_and_from_its_beginning_after_a_resume(
    api: FakeApi, browser: httpx.Client
) -> None:
    running = {"message_id": "r", "text": "", "position": None, "reasoning": "Two ", "thinking_ms": None}
    api.script = [event("snapshot", {"running": [running]}, "e-0"), thought(4, "and two")]
    [piece] = named(watch(browser), "reasoning")
    assert (piece["offset"], piece["text"]) == (4, "and two")
    api.script = [thought(0, "Two and two")]
    [piece] = named(watch(browser, {"Last-Event-ID": "e-1"}), "reasoning")
    assert (piece["offset"], piece["text"]) == (0, "Two and two")
