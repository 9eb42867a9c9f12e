"""What a person does, with the real default model. Numbers are the points of the walk."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, OpenPage, ask, finished
from tests.support.processes import ServerProcess

LANGUAGES = pytest.mark.parametrize("language", ["en", "zh"])
STORY = "Write a long story about a fox who travels around the world."
GREEDY = {"temperature": 0, "max_new_tokens": 80}
WORDS = {
    "en": {
        **{"about": "private chat", "note": None, "stopped": "You stopped this reply.", "settings": "Chat settings"},
        "withdraw": "Withdraw rating",
    },
    "zh": {
        **{"about": "私密对话", "note": "不支持中文", "stopped": "已停止生成。", "settings": "对话设置"},
        "withdraw": "撤回评价",
    },
}


def chat(server: ServerProcess, **sampling: object) -> str:
    """The address of a new conversation whose replies are short, and the same each time."""
    conversation = server.http.post("/api/conversations", json={"sampling": GREEDY | sampling}).json()
    return f"{server.url}/?c={conversation['id']}"


@LANGUAGES
def test_first_screen_says_what_this_is_and_answers_a_click(
    server: ServerProcess, open_page: OpenPage, language: str
) -> None:
    """1, 2, 13."""
    page = open_page(server.url, language)
    hero = page.locator(".p-hero")
    expect(hero).to_contain_text("SmolLM2 135M")
    expect(hero).to_contain_text(WORDS[language]["about"] or "")
    assert page.locator(".p-example").count() == 4
    if note := WORDS[language]["note"]:
        expect(page.locator(".p-notice")).to_contain_text(note)
    question = page.locator(".p-example span").nth(1).inner_text()
    page.locator(".p-example").first.click()
    expect(page.locator(".p-question .p-body")).to_have_text(question)
    page.locator(".p-reply [data-block]").first.wait_for()
    page.keyboard.press("Escape")
    expect(page.locator(".p-title")).to_have_text(question)
    assert "?c=" in page.url


def test_the_turn_is_there_at_once(server: ServerProcess, open_page: OpenPage) -> None:
    """2: shown before the server has answered anything."""
    page = open_page(server.url)
    page.route("**/api/conversations", lambda route: (time.sleep(1), route.continue_()))
    page.fill("#parley-input", "What is the capital of France?")
    page.press("#parley-input", "Enter")
    expect(page.locator(".p-question")).to_be_visible(timeout=600)
    assert page.input_value("#parley-input") == ""
    assert finished(page).strip()


def test_shift_enter_and_input_methods_do_not_send(server: ServerProcess, open_page: OpenPage) -> None:
    """3."""
    page = open_page(server.url)
    box = page.locator("#parley-input")
    height = box.bounding_box()["height"]  # type: ignore[index]
    box.fill("first")
    box.press("Shift+Enter")
    page.keyboard.type("second")
    assert box.input_value() == "first\nsecond"
    assert box.bounding_box()["height"] > height + 15  # type: ignore[index]
    for composing in ("isComposing: true", "keyCode: 229"):
        event = f"new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true, cancelable: true, {composing}}})"
        page.evaluate(f"document.querySelector('#parley-input').dispatchEvent({event})")
    expect(page.locator(".p-question")).to_have_count(0)
    assert box.input_value() == "first\nsecond"


@LANGUAGES
def test_stop_keeps_what_came_and_continue_goes_on(server: ServerProcess, open_page: OpenPage, language: str) -> None:
    """4, 17."""
    page = open_page(chat(server, max_new_tokens=1000), language)
    ask(page, STORY)
    page.locator(".p-reply[data-state=pending] [data-block]").first.wait_for()
    page.wait_for_timeout(400)
    page.locator(".p-send[data-running]").click()
    page.locator(".p-reply[data-state=cancelled]").wait_for()  # a whole reply would be complete
    expect(page.locator(".p-note")).to_contain_text(WORDS[language]["stopped"] or "")
    partial = page.locator(".p-reply .p-body").inner_text().strip()
    page.locator(".p-note button").click()
    page.locator(".p-reply[data-state=pending] [data-block]").first.wait_for()
    page.wait_for_timeout(400)
    page.keyboard.press("Escape")
    page.locator(".p-reply[data-state=cancelled]").wait_for()
    assert page.locator(".p-reply .p-body").inner_text().startswith(partial[:-1])
    expect(page.locator(".p-versions span")).to_have_text("2/2")


def test_versions_and_the_next_turn_goes_on_from_the_one_shown(server: ServerProcess, open_page: OpenPage) -> None:
    """5: and a reload shows the same version."""
    page = open_page(chat(server))
    ask(page, "Say a colour.")
    finished(page)
    page.locator("[data-act=regenerate]").click()
    expect(page.locator(".p-versions span")).to_have_text("2/2")
    finished(page)
    page.locator(".p-versions button").first.click()
    expect(page.locator(".p-versions span")).to_have_text("1/2")
    shown = page.locator(".p-reply").get_attribute("data-id")
    page.wait_for_timeout(300)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(page.locator(".p-versions span")).to_have_text("1/2")
    ask(page, "What is the capital of France?")
    expect(page.locator(".p-reply")).to_have_count(2)
    finished(page)
    conversation = page.url.split("c=")[1]
    messages = server.http.get(f"/api/conversations/{conversation}").json()["messages"]
    assert [m["parent_id"] for m in messages if m["role"] == "user"] == [None, shown]


def test_edit_branches_and_keeps_the_old_question(server: ServerProcess, open_page: OpenPage) -> None:
    """6."""
    page = open_page(chat(server))
    ask(page, "What is the capital of France?")
    finished(page)
    page.locator(".p-question").hover()
    page.locator("[data-act=edit]").click()
    expect(page.locator(".p-editor textarea")).to_be_focused()  # in the next frame, with the caret at its end
    page.locator(".p-editor textarea").fill("What is the capital of Italy?")
    page.keyboard.press("Enter")
    expect(page.locator(".p-question .p-versions span")).to_have_text("2/2")
    finished(page)
    page.locator(".p-question .p-versions button").first.click()
    expect(page.locator(".p-question .p-body")).to_have_text("What is the capital of France?")


def test_copy_a_reply_and_its_code(server: ServerProcess, open_page: OpenPage) -> None:
    """7: code is coloured and has its own button."""
    page = open_page(chat(server))
    ask(page, "Write a Python function that adds two numbers. Only code.")
    finished(page)
    page.locator("figure.code button.copy").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == page.locator("figure.code code").first.inner_text().strip()
    assert "def " in copied
    assert page.locator("figure.code .k").count() > 0
    page.locator("[data-act=copy]").last.click()
    assert "```" in page.evaluate("navigator.clipboard.readText()")
    expect(page.locator("[data-act=copy].p-done")).to_have_count(1)


@LANGUAGES
def test_thumbs(server: ServerProcess, open_page: OpenPage, language: str) -> None:
    """8: one click each; the reasons are optional; a second click shows them again, with a button that withdraws."""
    page = open_page(chat(server), language)
    ask(page, "What is the capital of France?")
    finished(page)
    conversation = page.url.split("c=")[1]

    def stored() -> dict[str, object] | None:
        page.wait_for_timeout(300)
        return server.http.get(f"/api/conversations/{conversation}").json()["messages"][-1]["rating"]  # type: ignore[no-any-return]

    page.locator("[data-act=up]").click()
    assert (stored() or {})["verdict"] == "up"
    page.locator("[data-act=down]").click()
    assert (stored() or {})["verdict"] == "down"
    popover = page.locator(".p-popover")
    anchor, box = page.locator("[data-act=down]").bounding_box(), popover.bounding_box()
    assert anchor is not None
    assert box is not None
    assert abs(box["x"] - anchor["x"]) < 100
    popover.locator("label").nth(2).click()
    popover.locator("input[type=text]").fill("太长了")
    popover.locator("button[type=submit]").click()
    expect(popover).to_have_count(0)
    rating = stored() or {}
    assert (rating["reasons"], rating["comment"]) == (["too_long"], "太长了")
    page.locator("[data-act=down]").click()
    popover.get_by_text(WORDS[language]["withdraw"] or "").click()
    assert stored() is None
    expect(page.locator("[data-act=down]")).to_have_attribute("aria-pressed", "false")


def test_settings(server: ServerProcess, open_page: OpenPage) -> None:
    """12: kept on the first screen, used for the new conversation, shown at a glance, reset."""
    page = open_page(server.url)
    chip = page.locator("[data-act=settings]")
    chip.click()
    panel = page.locator("#parley-settings")
    expect(panel.locator("#parley-preset input").first).to_be_checked()  # it knows the model's settings
    panel.locator("#parley-system-prompt").fill("Answer in one word.")
    panel.locator("#parley-preset label").nth(2).click()
    expect(chip).to_contain_text("Temperature 1.1")
    expect(chip).to_contain_text("Instructions")
    ask(page, "What is the capital of France?")
    finished(page)
    conversation = page.url.split("c=")[1]

    def stored() -> dict[str, object]:
        page.wait_for_timeout(700)
        return dict(server.http.get(f"/api/conversations/{conversation}").json())

    found = stored()
    assert found["system_prompt"] == "Answer in one word."
    assert found["sampling"] == {"temperature": 1.1, "top_p": 0.95, "top_k": 100}
    panel.locator("#parley-advanced summary").click()
    panel.locator("#parley-seed").fill("42")
    page.keyboard.press("Tab")
    expect(chip).to_contain_text("Seed 42")
    panel.locator("#parley-temperature input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    expect(chip).to_contain_text("Temperature 1.15")
    panel.locator("#parley-reset").click()
    expect(chip).not_to_contain_text("Temperature")
    assert stored()["sampling"] == {}
    page.keyboard.press("Escape")
    expect(chip).to_be_focused()


def test_reload_in_the_middle_of_a_reply(server: ServerProcess, open_page: OpenPage) -> None:
    """15."""
    page = open_page(chat(server, max_new_tokens=1000))
    ask(page, STORY)
    page.locator(".p-reply[data-state=pending] [data-block]").first.wait_for()
    page.reload()
    reply = page.locator(".p-reply[data-state=pending]")
    reply.wait_for()
    before = len(reply.locator(".p-body").inner_text())
    page.wait_for_timeout(900)
    assert len(page.locator(".p-reply .p-body").inner_text()) > before
    page.locator(".p-send").click()
    page.locator(".p-reply[data-state=cancelled]").wait_for()


def test_two_tabs_show_the_same(server: ServerProcess, open_page: OpenPage) -> None:
    """16."""
    one = open_page(chat(server))
    ask(one, "What is the capital of France?")
    finished(one)
    two = open_page(one.url, beside=one)
    expect(two.locator(".p-message")).to_have_count(2)
    ask(two, "And of Italy?")
    expect(one.locator(".p-question")).to_have_count(2)
    assert finished(one) == finished(two)
    one.locator("[data-act=up]").last.click()
    expect(two.locator("[data-act=up]").last).to_have_attribute("aria-pressed", "true")


def test_switching_the_language_switches_everything(server: ServerProcess, open_page: OpenPage) -> None:
    """21: the settings, an error that stands there, and dates too; it is remembered."""
    page = open_page(chat(server))
    ask(page, "word " * 60_000)
    alert = page.locator(".p-alert")
    expect(alert).to_contain_text("too long")
    assert len(page.input_value("#parley-input")) > 200_000
    page.locator(".p-text-button").click()
    expect(alert).to_contain_text("内容太长")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.locator("[data-act=settings]").click()
    expect(page.locator("#parley-temperature")).to_contain_text("温度")
    expect(page.locator("#parley-settings h2")).to_have_text("对话设置")
    page.fill("#parley-input", "")
    ask(page, "What is the capital of France?")
    finished(page)
    page.locator("[data-act=details]").click()
    expect(page.locator(".p-details")).to_contain_text("年")
    page.reload()
    expect(page.locator(".p-text-button")).to_have_text("English")


def test_details_of_a_reply(server: ServerProcess, open_page: OpenPage) -> None:
    """27."""
    page = open_page(chat(server))
    ask(page, "What is the capital of France?")
    finished(page)
    button = page.locator("[data-act=details]")
    button.click()
    details = page.locator(".p-details").inner_text()
    assert "Q4_1" in details
    assert re.search(r"\d+ tokens/s", details)
    assert re.search(r"Time to first token\s+[\d.,]+ m?s", details)
    page.keyboard.press("Escape")
    expect(button).to_be_focused()


@pytest.mark.parametrize("dark", [False, True])
def test_colours_follow_the_system_and_can_be_set(server: ServerProcess, open_page: OpenPage, dark: bool) -> None:
    """22: before the first paint, and Gradio's own mark in step."""
    page = open_page(server.url, dark=dark)
    html, body = page.locator("html"), page.locator("body")
    expect(html).to_have_attribute("data-theme", "dark" if dark else "light")
    button = page.locator(".p-top .p-icon").last
    button.click()
    button.click()
    expect(html).to_have_attribute("data-theme", "dark")
    expect(body).to_have_class(re.compile(r"\bdark\b"))
    page.reload(wait_until="commit")
    expect(html).to_have_attribute("data-theme", "dark")


def test_by_keyboard_alone(server: ServerProcess, open_page: OpenPage) -> None:
    """23: the skip link, asking, judging, and a finished reply that is announced once."""
    page = open_page(chat(server))
    page.locator(".p-skip").focus()
    expect(page.locator(".p-skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#parley-input")).to_be_focused()
    page.keyboard.type("What is the capital of France?")
    page.keyboard.press("Enter")
    text = finished(page)
    expect(page.locator("[aria-live=polite].p-offscreen")).to_contain_text(text[:20])
    page.locator("[data-act=copy]").last.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-act=up]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-act=up]")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    nameless = page.evaluate(
        "[...document.querySelectorAll('.p-main button, .p-popover button')]"
        ".filter((b) => !b.textContent.trim() && !b.getAttribute('aria-label')).length"
    )
    assert nameless == 0


@LANGUAGES
def test_on_a_phone(server: ServerProcess, open_page: OpenPage, language: str) -> None:
    """24: nothing overflows, the list and the settings slide in, targets are large."""
    page = open_page(chat(server), language, PHONE)
    width, height = PHONE
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.locator("#parley-sidebar")).not_to_be_in_viewport()
    page.locator(".p-top .p-icon").first.click()
    expect(page.locator("#parley-sidebar")).to_be_in_viewport()
    page.mouse.click(width - 10, height // 2)
    expect(page.locator("#parley-sidebar")).not_to_be_in_viewport()
    ask(page, "Write a Python function that adds two numbers.")
    finished(page)
    sizes = page.evaluate(
        "[...document.querySelectorAll('.p-main button')].map((b) => b.getBoundingClientRect())"
        ".filter((r) => r.width).map((r) => Math.min(r.width, r.height))"
    )
    assert min(sizes) >= 44
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".p-log").evaluate("(e) => e.scrollWidth - e.clientWidth") == 0
    page.locator("[data-act=settings]").click()
    expect(page.locator("#parley-settings h2")).to_have_text(WORDS[language]["settings"] or "")
    page.wait_for_timeout(300)
    box = page.locator("#parley-settings").bounding_box()
    assert box is not None
    assert (round(box["x"]), round(box["width"])) == (0, width)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        pytest.param("en", r"Reading [\d,]+ of 1,\d{3} tokens", marks=pytest.mark.slow),
        ("zh", r"正在阅读……（[\d,]+ / 1,\d{3} token）"),
    ],
)
def test_a_long_question_says_how_far_it_is_read(
    server: ServerProcess, open_page: OpenPage, language: str, text: str
) -> None:
    page = open_page(chat(server, max_new_tokens=4), language)
    ask(page, f"{language}: " + "one two three four five six " * 200)
    expect(page.locator(".p-waiting")).to_have_text(re.compile(text))
    finished(page)
    expect(page.locator(".p-waiting")).to_have_count(0)
