"""Nothing that can be pressed comes under a pointer that was about to press something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE, WIDE, OpenPage, ask, finished, scripted, until
from tests.browser.steady import press, taken, watch_all
from tests.support.processes import ServerProcess

SIZES = pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
SHORT = "Short."
LONG = "\n\n".join(f"Paragraph {n} of a long reply." for n in range(30))
# The others are tried in .ci/run.
SIZED_TEXTS = pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param(SHORT, PHONE, id="short-phone"),
        pytest.param(LONG, WIDE, id="long-wide"),
        pytest.param(SHORT, WIDE, id="short-wide", marks=pytest.mark.slow),
        pytest.param(LONG, PHONE, id="long-phone", marks=pytest.mark.slow),
        pytest.param(LONG[:400], WIDE, id="some-wide", marks=pytest.mark.slow),
        pytest.param(LONG[:400], PHONE, id="some-phone", marks=pytest.mark.slow),
    ],
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("steady")) as running:
        yield running


def imported(server: ServerProcess, *messages: tuple[str, str | None, str, str], shown: str) -> str:
    """The address of a conversation with these messages (id, parent, role, text); `shown` is the leaf."""
    rows = [{"id": i, "parent_id": parent, "role": role, "content": text} for i, parent, role, text in messages]
    head = {"leaf_id": shown, "title": uuid4().hex}  # the same chat would not be imported again
    file = {"format": "parley.conversation", "version": 1, "conversation": head, "messages": rows}
    answer = server.http.post("/api/conversations/import", json=file)
    assert answer.is_success, answer.text
    return f"{server.url}/?c={answer.json()['id']}"


def messages(server: ServerProcess, page: Page) -> list[dict[str, Any]]:
    found = server.http.get(f"/api/conversations/{page.url.split('c=')[1]}").json()
    return list(found["messages"])


def versions(page: Page, kind: str = "reply") -> Locator:
    return page.locator(f".p-{kind} .p-versions").last


@SIZED_TEXTS
def test_regenerate_can_be_pressed_again_and_again(
    server: ServerProcess, open_page: OpenPage, text: str, size: tuple[int, int]
) -> None:
    """At the same place, whatever the pointer finds there, no reply is rated."""
    before = [("q0", None, "user", "Hi"), ("a0", "q0", "assistant", LONG)]
    chat = imported(server, *before, ("q1", "a0", "user", "And?"), ("a1", "q1", "assistant", text), shown="a1")
    page = open_page(chat, size=size)
    point = press(page, page.locator("[data-act=regenerate]").last)
    expect(versions(page)).to_have_text("2/2")
    finished(page)
    assert taken(page) == []
    for _ in range(3):
        page.mouse.click(**point)
    page.mouse.dblclick(**point)
    press(page, page.locator("[data-act=regenerate]").last)
    expect(page.locator(".p-reply[data-state=pending]")).to_have_count(0)
    assert taken(page) == []
    assert [m["rating"] for m in messages(server, page) if m["rating"]] == []
    assert {m["parent_id"] for m in messages(server, page)[4:]} == {messages(server, page)[2]["id"]}


@SIZES
def test_the_switch_of_versions_stays_under_the_pointer(
    server: ServerProcess, open_page: OpenPage, size: tuple[int, int]
) -> None:
    """Whatever the lengths of the versions, and what was said below them."""
    below = [("q2", "a1", "user", "And then?"), ("a2", "q2", "assistant", LONG), ("q3", "a2", "user", "More")]
    replies = [("a1", "q1", "assistant", LONG), ("b1", "q1", "assistant", SHORT), ("c1", "q1", "assistant", LONG * 2)]
    page = open_page(imported(server, ("q1", None, "user", "Hi"), *replies, *below, shown="c1"), size=size)
    for label, act in (("2/3", "previous"), ("1/3", "previous"), ("2/3", "next"), ("3/3", "next"), ("2/3", "previous")):
        point = press(page, page.locator(f".p-reply [data-act={act}]").first)
        expect(page.locator(".p-reply .p-versions").first).to_have_text(label)
        assert taken(page) == []
        same = page.evaluate("({x, y}) => document.elementFromPoint(x, y).closest('button')?.dataset.act", point)
        assert same == act
        expect(page.locator(f".p-reply [data-act={act}]").first).to_be_in_viewport()


@SIZED_TEXTS
def test_editing_a_question(server: ServerProcess, open_page: OpenPage, text: str, size: tuple[int, int]) -> None:
    chat = imported(server, ("q1", None, "user", text), ("a1", "q1", "assistant", "`a`"), shown="a1")
    page = open_page(chat, size=size)
    edit, editor = page.locator("[data-act=edit]").last, page.locator(".p-editor")
    press(page, edit)
    expect(editor.locator("textarea")).to_be_focused()
    assert taken(page) == []
    press(page, editor.locator("button").nth(1))
    expect(editor).to_have_count(0)
    assert taken(page) == []
    press(page, edit)
    editor.locator("textarea").fill("Another question")
    press(page, editor.locator("button[type=submit]"))
    expect(versions(page, "question")).to_have_text("2/2")
    finished(page)
    assert taken(page) == []


def test_what_comes_by_itself_moves_nothing(server: ServerProcess, open_page: OpenPage) -> None:
    """A reply that grows and ends, a pointer that rests on a message, another version made in another tab."""
    page = open_page(server.url)
    ask(page, "one two three four five")
    page.locator(".p-reply [data-block]").first.wait_for()
    watch_all(page)
    finished(page)
    assert taken(page) == []
    for message in page.locator("article").all():
        watch_all(page)
        message.hover()
        assert taken(page) == []
    watch_all(page)
    server.http.post(f"/api/messages/{messages(server, page)[-1]['id']}/regenerate").raise_for_status()
    expect(versions(page)).to_have_text("2/2")
    finished(page)
    assert taken(page) == []


def test_stopping_and_going_on(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    ask(page, " ".join(f"word {n}" for n in range(60)))
    page.locator(".p-reply [data-block]").first.wait_for()
    press(page, page.locator(".p-send"))
    page.locator(".p-reply[data-state=cancelled]").wait_for()
    assert taken(page) == []
    press(page, page.locator(".p-note button"))
    page.locator(".p-reply[data-state=pending] [data-block]").first.wait_for()
    page.keyboard.press("Escape")
    page.locator(".p-reply[data-state=cancelled]").wait_for()
    assert taken(page) == []


# Presses the button in the same moment in which it stops being Stop.
TOO_LATE = """
new MutationObserver((_, observer) => {
  const button = document.querySelector(".p-send");
  if (button.matches("[data-running]")) return;
  observer.disconnect();
  button.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, detail: 1 }));
  window.pressed = true;
}).observe(document.querySelector(".p-send"), { attributes: true });
"""


def test_stop_pressed_too_late_sends_nothing(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    ask(page, "one two three")
    page.locator(".p-reply [data-block]").first.wait_for()
    page.fill("#parley-input", "the next question, not done")
    page.evaluate(TOO_LATE)
    finished(page)
    until(page, "window.pressed")
    expect(page.locator("#parley-input")).to_have_value("the next question, not done")
    expect(page.locator(".p-question")).to_have_count(1)


def test_send_pressed_twice_stops_nothing(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    ask(page, "one")
    finished(page)
    page.fill("#parley-input", "one two three four")
    page.locator(".p-send").dblclick()
    expect(page.locator(".p-reply")).to_have_count(2)
    assert "four" in finished(page)


def test_no_undo_takes_the_place_of_another(server: ServerProcess, open_page: OpenPage) -> None:
    """Neither when a second message comes, nor when the first one goes."""
    for title in ("first", "second"):
        server.http.post("/api/conversations", json={"title": title}).raise_for_status()
    page = open_page(server.url)
    page.clock.install()
    undo = page.locator(".p-toast button")

    def delete(title: str) -> dict[str, float]:
        page.get_by_role("link", name=title, exact=True).focus()
        page.keyboard.press("Delete")
        toast = page.locator(".p-toast", has_text=title)
        expect(toast).to_be_visible()
        toast.evaluate("(element) => element.getAnimations().forEach((one) => one.finish())")
        return dict(toast.locator("button").bounding_box() or {})

    first = delete("first")
    page.clock.run_for(4000)
    second = delete("second")
    assert undo.first.bounding_box() == first
    page.clock.run_for(4000)
    expect(undo.first).to_be_hidden()
    assert undo.last.bounding_box() == second
    page.clock.run_for(4000)
    expect(undo).to_have_count(0)
