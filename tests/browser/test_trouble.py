"""What goes wrong, told in place, with no text lost: on a model that says again what it is told, slowly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import OpenPage, ask, finished, scripted, seen
from tests.support.processes import ServerProcess

LONG = " ".join(f"word {n}" for n in range(60))  # echoed for several seconds
MARKDOWN = (
    "intro\n\n# Title\n\n- one\n- two\n\n```python\nprint('x')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n$$x^2$$\n\n"
    "<img src=https://example.org/x.png onerror=alert(1)> ![x](https://example.org/y.png) **终**"
)

# Milliseconds from a change of the text to the next two frames, the median of twenty.
TYPE_AND_PAINT = """async () => {
  const box = document.querySelector("#parley-input");
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  const times = [];
  for (let n = 0; n < 20; n += 1) {
    await frame();
    const start = performance.now();
    box.value += "x";
    box.dispatchEvent(new Event("input", { bubbles: true }));
    await frame();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[10];
}"""


# For the first three Pygments needs from half a minute to hours.
HOSTILE = (
    "```easytrieve\n" + "\t" * 2_600 + "x",
    "```csharp\n" + "a\n" * 40_000,
    "```java\n" + "a\n" * 40_000,
    "```crystal\n" + "<<A\n" * 4_000,
    "x\n\n" + ">" * 20_000,
    "x" + "[" * 20_000,
    "x" + "*a_" * 10_000,
    "$$" + "{" * 10_000,
)


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One slot, so that a second question waits."""
    with scripted(tmp_path_factory.mktemp("echo"), PARLEY_SLOTS="1") as running:
        yield running


def test_markdown_streams_without_touching_what_is_closed(echo: ServerProcess, open_page: OpenPage) -> None:
    """7: a closed block stays the same element to the end; nothing is fetched from elsewhere."""
    page = open_page(echo.url)
    ask(page, MARKDOWN)
    title = page.locator(".p-reply h1")
    title.wait_for()
    page.locator(".p-reply li").nth(1).wait_for()
    title.evaluate("(element) => (element.marked = true)")
    finished(page)
    assert title.evaluate("(element) => element.marked")
    for found in ("figure.code .highlight", ".table td", "math", "strong"):
        assert page.locator(f".p-reply {found}").count() > 0, found
    assert page.locator(".p-reply img").count() == 0


def test_a_queue_shows_the_place_in_it(echo: ServerProcess, open_page: OpenPage) -> None:
    """26."""
    first, second = open_page(echo.url), open_page(echo.url, "zh")
    ask(first, LONG)
    first.locator(".p-reply [data-block]").first.wait_for()
    ask(second, "短")
    expect(second.locator(".p-waiting")).to_contain_text("马上轮到你")
    first.keyboard.press("Escape")
    assert "短" in finished(second)


def test_scrolling_follows_until_the_reader_scrolls_up(echo: ServerProcess, open_page: OpenPage) -> None:
    """2."""
    page = open_page(echo.url, size=(1280, 500))
    ask(page, "\n\n".join(f"line {n}" for n in range(60)))
    page.locator(".p-reply [data-block]").nth(12).wait_for()
    log = page.locator(".p-log")
    gap = "(e) => e.scrollHeight - e.scrollTop - e.clientHeight"
    assert log.evaluate(gap) < 60
    log.hover()
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(200)
    top = log.evaluate("(e) => e.scrollTop")
    blocks = page.locator(".p-reply [data-block]").count()
    page.locator(".p-reply [data-block]").nth(blocks + 4).wait_for(state="attached")
    assert log.evaluate("(e) => e.scrollTop") == top
    page.locator(".p-to-bottom").click()
    page.wait_for_timeout(100)
    assert log.evaluate(gap) < 60
    page.keyboard.press("Escape")


def test_a_draft_survives_a_reload_and_belongs_to_its_conversation(echo: ServerProcess, open_page: OpenPage) -> None:
    """25."""
    page = open_page(echo.url)
    page.fill("#parley-input", "not sent yet")
    page.reload()
    expect(page.locator("#parley-input")).to_have_value("not sent yet")
    page.press("#parley-input", "Enter")
    finished(page)
    page.fill("#parley-input", "second draft")
    page.goto(echo.url)
    page.wait_for_selector("html[data-ready]")
    expect(page.locator("#parley-input")).to_have_value("")
    page.go_back()
    expect(page.locator("#parley-input")).to_have_value("second draft")


def test_a_refused_first_question_leaves_no_conversation_behind(echo: ServerProcess, open_page: OpenPage) -> None:
    """25: too long a text."""
    page = open_page(echo.url, "zh")
    before = len(echo.http.get("/api/conversations").json()["items"])
    ask(page, "字" * 20_000)
    expect(page.locator(".p-alert")).to_contain_text("内容太长")
    expect(page.locator(".p-question")).to_have_count(0)
    assert len(page.input_value("#parley-input")) == 20_000
    assert "?c=" not in page.url
    assert len(echo.http.get("/api/conversations").json()["items"]) == before


def test_a_conversation_deleted_elsewhere(echo: ServerProcess, open_page: OpenPage) -> None:
    """25."""
    page = open_page(echo.url)
    ask(page, "short")
    finished(page)
    conversation = page.url.split("c=")[1]
    echo.http.delete(f"/api/conversations/{conversation}")
    expect(page.locator(".p-status")).to_contain_text("This chat was deleted.")
    page.reload()
    expect(page.locator(".p-status")).to_contain_text("doesn't exist")
    page.locator(".p-status button").click()
    expect(page.locator(".p-hero")).to_be_visible()


def test_many_tabs_do_not_starve_each_other(echo: ServerProcess, open_page: OpenPage) -> None:
    """Browsers allow six connections to a server: a hidden tab holds none, and catches up when it is shown."""
    page = open_page(echo.url)
    ask(page, "first")
    finished(page)
    hidden = "Object.defineProperty(document, 'hidden', {get: () => %s, configurable: true});"
    page.evaluate(hidden % "true" + "document.dispatchEvent(new Event('visibilitychange'))")
    deadline = time.monotonic() + 30
    while "parley_event_streams 0" not in echo.http.get("/metrics").text.splitlines():
        assert time.monotonic() < deadline, "the hidden tab keeps its stream"
        page.wait_for_timeout(100)
    other = open_page(page.url)
    ask(other, "second")
    finished(other)
    expect(page.locator(".p-message")).to_have_count(2)
    page.evaluate(hidden % "false" + "document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".p-message")).to_have_count(4)
    assert "second" in finished(page)


def test_two_hundred_messages_open_and_stream_fast(echo: ServerProcess, open_page: OpenPage) -> None:
    """28: old messages are drawn once, and a keystroke takes no longer than in an empty conversation."""
    roles = ["user", "assistant"] * 100
    text = "**{n}**\n\n- a\n- b\n\n```python\nx = {n}\n```"
    messages = [{"role": role, "content": text.format(n=n)} for n, role in enumerate(roles)]
    imported = echo.http.post("/api/conversations/import", json={"title": "long", "messages": messages})
    page = open_page(f"{echo.url}/?c={imported.json()['id']}")
    expect(page.locator(".p-message")).to_have_count(200)
    page.evaluate("for (const e of document.querySelectorAll('.p-message')) e.marked = true")
    typing_ms = page.evaluate(TYPE_AND_PAINT)
    ask(page, "one more")
    finished(page)
    assert page.evaluate("[...document.querySelectorAll('.p-message')].filter((e) => e.marked).length") == 200
    assert typing_ms < 50


@contextmanager
def slowest_answer(http: httpx.Client, found: list[float]) -> Iterator[None]:
    """Asks for /healthz all the time meanwhile; afterwards `found` holds the longest wait in seconds."""
    ended = threading.Event()

    def ask_again_and_again() -> None:
        while not ended.wait(0.01):
            began = time.monotonic()
            http.get("/healthz").raise_for_status()
            found[:] = [max(found[0], time.monotonic() - began)] if found else [time.monotonic() - began]

    thread = threading.Thread(target=ask_again_and_again)
    thread.start()
    yield
    ended.set()
    thread.join()


def test_replies_made_to_freeze_a_server_do_not(echo: ServerProcess, open_page: OpenPage) -> None:
    """Some take a lexer or a parser minutes: they are shown as plain code or text, and the server answers meanwhile."""
    messages = [
        {"role": role, "content": text} for text in HOSTILE for role, text in (("user", "?"), ("assistant", text))
    ]
    imported = echo.http.post("/api/conversations/import", json={"title": "hostile", "messages": messages})
    longest: list[float] = []
    with slowest_answer(echo.http, longest):
        page = open_page(f"{echo.url}/?c={imported.json()['id']}")
        expect(page.locator(".p-message")).to_have_count(2 * len(HOSTILE), timeout=60_000)
    assert longest[0] < 1  # a hundredth of that on an idle machine
    for n in range(len(HOSTILE)):
        assert (page.locator(".p-reply .p-body").nth(n).text_content() or "").strip()
    ask(page, "still here")
    assert "still here" in finished(page)


def test_a_server_that_is_killed_and_comes_back(tmp_path: Path, open_page: OpenPage) -> None:
    """17, 25: it says so, keeps what is typed, goes on by itself, and offers to continue the cut reply."""
    with scripted(tmp_path) as first:
        page = open_page(first.url)
        ask(page, LONG)
        page.locator(".p-reply [data-block]").first.wait_for()
        page.wait_for_timeout(1500)
        first.kill()
        bar = page.locator(".p-connection")
        expect(bar).to_contain_text("Connection lost")
        page.fill("#parley-input", "typed meanwhile")
        port = first.url.rsplit(":", 1)[1]
    with scripted(tmp_path, "--port", port):
        expect(bar).to_be_hidden(timeout=20_000)
        reply = page.locator(".p-reply[data-state=interrupted]")
        expect(reply).to_have_count(1, timeout=10_000)
        expect(reply).to_contain_text("server stopped")
        assert page.input_value("#parley-input") == "typed meanwhile"
        reply.locator(".p-note button").click()
        finished(page)
        page.press("#parley-input", "Enter")
        assert "typed meanwhile" in finished(page)


def test_enter_pressed_twice_sends_one_edit(echo: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(echo.url)
    ask(page, "first")
    finished(page)
    held: list[Route] = []
    page.route("**/edit", lambda route: held.append(route))
    page.locator("[data-act=edit]").click()
    page.fill(".p-editor textarea", "second")
    with page.expect_request("**/edit"):
        for _ in range(2):
            page.press(".p-editor textarea", "Enter")
    held[0].continue_()
    expect(page.locator(".p-question .p-versions span")).to_have_text("2/2")
    assert "second" in finished(page)
    assert len(held) == 1


def test_an_edit_that_was_left_goes_on_where_it_was(echo: ServerProcess, open_page: OpenPage) -> None:
    """Opening another chat, or a reload, loses no text; Cancel and Send end the edit."""
    page = open_page(echo.url)
    ask(page, "first")
    finished(page)
    page.locator("[data-act=edit]").click()
    page.fill(".p-editor textarea", "a long edit")
    page.locator(".p-new").click()
    page.go_back()
    page.locator("[data-act=edit]").click()
    expect(page.locator(".p-editor textarea")).to_have_value("a long edit")
    page.reload()
    page.locator("[data-act=edit]").click()
    expect(page.locator(".p-editor textarea")).to_have_value("a long edit")
    page.press(".p-editor textarea", "Escape")
    page.locator("[data-act=edit]").click()
    expect(page.locator(".p-editor textarea")).to_have_value("first")


def test_copied_code_ends_with_its_last_character(echo: ServerProcess, open_page: OpenPage) -> None:
    """In a terminal, a line break would run the command at once."""
    page = open_page(echo.url)
    ask(page, "run\n\n```sh\necho '<a>' &&\n\tls\n```")
    finished(page)
    page.locator("figure.code button.copy").click()
    expect(page.locator("button.copy.p-done")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == "echo '<a>' &&\n\tls"


def test_a_question_refused_after_another_chat_was_opened_is_kept_in_its_own(
    echo: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(echo.url)
    ask(page, "first chat")
    finished(page)
    first = page.url
    page.locator("#parley-sidebar").get_by_text("New chat").click()
    ask(page, "second chat")
    finished(page)
    waiting: list[Route] = []
    page.goto(first)
    page.locator(".p-question").wait_for()
    page.route("**/messages", lambda route: waiting.append(route))
    ask(page, "this will be refused")
    seen(page, waiting)
    page.locator(".p-row", has_text="second chat").first.click()
    expect(page.locator(".p-question .p-body")).to_have_text("second chat")
    waiting[0].fulfill(status=503, json={"error": {"code": "queue_full", "message": "Full.", "details": {}}})
    expect(page.locator(".p-toast")).to_contain_text("Not sent")
    expect(page.locator("#parley-input")).to_have_value("")
    page.goto(first)
    expect(page.locator("#parley-input")).to_have_value("this will be refused")


def test_a_pasted_picture_is_answered_with_a_word(echo: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(echo.url)
    page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.items.add(new File(["x"], "picture.png", { type: "image/png" }));
          const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
          document.querySelector("#parley-input").dispatchEvent(event);
        }"""
    )
    expect(page.locator(".p-alert")).to_contain_text("Only text")
