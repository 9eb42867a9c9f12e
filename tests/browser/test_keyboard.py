"""Keys, input methods and boxes for messages, on a model that repeats what it is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage, ask, finished, scripted
from tests.support.processes import ServerProcess

# What a browser tells when Escape closes an input method's candidates, or Enter chooses one; Safari tells of that Enter
# after the end of the composition.
OF_INPUT_METHOD = """
(box) => {
  for (const [key, isComposing] of [["Escape", true], ["Enter", true], ["Enter", false]]) {
    const event = { key, isComposing, keyCode: 229, bubbles: true, cancelable: true };
    if (!box.dispatchEvent(new KeyboardEvent("keydown", event))) throw new Error(`${key} was used`);
  }
}
"""
DENIED = """
for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("Access is denied.", "SecurityError"); } });
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("keyboard")) as running:
        yield running


def compose(page: Page, selector: str) -> None:
    page.locator(selector).first.evaluate(OF_INPUT_METHOD)


def test_keys_of_an_input_method_stop_no_reply_and_send_nothing(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    ask(page, "word " * 200)
    page.locator(".p-send[data-running]").wait_for()
    page.fill("#parley-input", "你好")
    compose(page, "#parley-input")
    finished(page)
    compose(page, "#parley-input")
    expect(page.locator("#parley-input")).to_have_value("你好")
    expect(page.locator(".p-question")).to_have_count(1)


def test_keys_of_an_input_method_close_nothing(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    ask(page, "Hello")
    finished(page)
    page.locator("[data-act=edit]").first.click(force=True)
    compose(page, ".p-editor textarea")
    expect(page.locator(".p-editor textarea")).to_be_visible()
    expect(page.locator(".p-question")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".p-editor")).to_have_count(0)
    page.locator("[data-act=down]").click()
    compose(page, ".p-popover input[type=text]")
    expect(page.locator(".p-popover")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".p-popover")).to_have_count(0)
    page.locator("[data-act=settings]").click()
    compose(page, "#parley-system-prompt")
    expect(page.locator("html")).to_have_attribute("data-settings", "open")
    search = page.locator("#parley-sidebar input[type=search]")
    search.fill("Hell")
    compose(page, "#parley-sidebar input[type=search]")
    expect(search).to_have_value("Hell")
    search.fill("")
    page.locator(".p-row-link").first.focus()
    page.keyboard.press("F2")
    compose(page, ".p-row-field")
    expect(page.locator(".p-row-field")).to_be_visible()


def test_an_indented_text_keeps_its_indent(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    ask(page, "    if x:\n        y\n\n")
    finished(page)
    chat = page.url.partition("c=")[2]

    def question() -> str:
        messages = server.http.get(f"/api/conversations/{chat}").json()["messages"]
        return str([message for message in messages if message["role"] == "user"][-1]["content"])

    assert question() == "    if x:\n        y"
    page.locator("[data-act=edit]").first.click(force=True)
    expect(page.locator(".p-editor textarea")).to_be_focused()  # in the next frame, with the caret at its end
    page.locator(".p-editor textarea").fill("\n\tfor y in x:\n")
    page.locator(".p-editor textarea").press("Enter")
    expect(page.locator(".p-question")).to_contain_text("for y in x:")
    finished(page)
    assert question() == "\tfor y in x:"


def test_enter_on_a_phone_begins_a_line_unless_it_is_chosen_to_send(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url, size=PHONE)
    box = page.locator("#parley-input")
    expect(box).to_have_attribute("enterkeyhint", "enter")
    box.fill("one")
    box.press("Enter")
    box.press_sequentially("two")
    expect(box).to_have_value("one\ntwo")
    page.locator("[data-act=settings]").click()
    page.get_by_label("Press Enter to send").check()
    page.keyboard.press("Escape")
    expect(box).to_have_attribute("enterkeyhint", "send")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(box).to_have_value("one\ntwo")
    box.press("Enter")
    expect(page.locator(".p-question")).to_contain_text("one")
    finished(page)


def test_a_page_that_may_store_nothing_works(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    other = page.context.new_page()
    problems: list[str] = []
    other.on("pageerror", lambda error: problems.append(str(error)))
    other.add_init_script(DENIED)
    other.goto(server.url)
    other.wait_for_selector("html[data-ready]")
    ask(other, "Hello")
    assert "Hello" in finished(other)
    for button in (".p-text-button", ".p-top .p-icon >> nth=0", "[data-act=settings]"):
        other.locator(button).first.click()
    expect(other.locator("html")).to_have_attribute("lang", "zh-CN")
    assert problems == []
