"""Structure of the page: landmarks, headings, sizes of what is touched, distances, what is told once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PHONE, OpenPage, ask, finished, scripted, until
from tests.support.processes import ServerProcess

# Buttons, links and fields that can be seen on the screen and are less than 44 px wide or high.
SMALL = """() => [...document.querySelectorAll("button, a, input, select, summary")].filter((element) => {
    const { width, height, left, right } = element.getBoundingClientRect();
    const isVisible = element.checkVisibility({ visibilityProperty: true }) && right > 0 && left < innerWidth;
    return isVisible && !element.matches(".p-skip") && (width < 44 || height < 44);
}).map((element) => element.outerHTML.slice(0, 200))"""
TEXTS = """() => [...document.querySelectorAll(".p-message .p-body")].map((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return [top, bottom];
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("structure")) as running:
        yield running


def test_one_main_landmark_and_one_heading_of_the_first_level(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("What can I help with?")
    ask(page, "Hello there")
    finished(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello there")
    expect(page.get_by_role("main")).to_have_count(1)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_touched_is_large_enough(server: ServerProcess, open_page: OpenPage, language: str) -> None:
    page = open_page(server.url, language, PHONE)
    assert page.evaluate(SMALL) == []
    ask(page, "Hello there")
    finished(page)
    assert page.evaluate(SMALL) == []
    page.locator(".p-top button").first.click()
    expect(page.get_by_role("searchbox")).to_be_visible()
    until(page, f"({SMALL})().length === 0")  # once the panel has moved in


@pytest.mark.parametrize("size", [PHONE, (1280, 800)])
def test_a_question_is_closer_to_its_answer(server: ServerProcess, open_page: OpenPage, size: tuple[int, int]) -> None:
    page = open_page(server.url, "en", size)
    for text in ("First", "Second"):
        ask(page, text)
        finished(page)
    expect(page.locator(".p-reply")).to_have_count(2)
    question, reply, next_question, _ = page.evaluate(TEXTS)
    assert reply[0] - question[1] < next_question[0] - reply[1]


def test_left_out_messages_are_told_once(server: ServerProcess, open_page: OpenPage) -> None:
    long = "word " * 700
    turns = [{"role": role, "content": long} for _ in range(8) for role in ("user", "assistant")]
    made = server.http.post("/api/conversations/import", json={"title": "Long", "messages": turns}).json()["id"]
    page = open_page(f"{server.url}/?c={made}")
    for count in (9, 10):
        ask(page, "And now?")
        expect(page.locator(".p-reply")).to_have_count(count)
        finished(page)
    note = page.locator(".p-note", has_text="too long for the model")
    expect(note).to_have_count(2)
    expect(note.nth(0)).to_be_visible()
    expect(note.nth(1)).to_be_hidden()
    page.locator(".p-reply").last.get_by_role("button", name="Details").click()
    expect(page.get_by_role("dialog")).to_contain_text("Messages not read")


def test_an_unknown_chat_says_nothing_of_the_connection(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/?c=01JUNKNOWN0000000000000000")
    expect(page.locator(".p-status")).to_contain_text("This chat doesn't exist")
    page.wait_for_timeout(1500)
    expect(page.locator(".p-toast")).to_have_count(0)
    expect(page.locator(".p-connection")).to_be_hidden()
