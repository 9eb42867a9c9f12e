"""What is stored of a thumb and of the box at it: what was meant, once, however the box closes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, ask, finished, scripted
from tests.support.processes import ServerProcess

COMMENT = "太长了"
Stored = tuple[str, list[str], str]  # verdict, reasons, comment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ratings")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with scripted(folder) as running:
        yield running


@pytest.fixture
def rated(server: ServerProcess, open_page: OpenPage) -> Page:
    """A conversation with one reply, to be rated."""
    page = open_page(server.url)
    ask(page, "short")
    finished(page)
    return page


@pytest.fixture
def log(folder: Path, rated: Page) -> Callable[[], list[Stored]]:
    """Every rating of the reply that was ever stored, in order."""
    reply = rated.locator(".p-reply").get_attribute("data-id")

    def read() -> list[Stored]:
        with closing(sqlite3.connect(folder / "data" / "parley.db")) as connection:
            query = "SELECT verdict, reasons, comment FROM ratings WHERE message_id = ? ORDER BY sequence"
            rows = connection.execute(query, (reply,)).fetchall()
        return [(verdict, json.loads(reasons), comment) for verdict, reasons, comment in rows]

    return read


def stored(page: Page, log: Callable[[], list[Stored]], *expected: Stored) -> None:
    """Wait until as many ratings are stored, and see that they are these."""
    for _ in range(150):
        if len(log()) >= len(expected):
            break
        page.wait_for_timeout(100)
    assert log() == list(expected)


def thumb(page: Page, act: str) -> Locator:
    return page.locator(f"[data-act={act}]")


def box(page: Page) -> Locator:
    return page.locator(".p-popover")


def comment_on(page: Page) -> None:
    """Press thumbs down, choose a reason and type a comment."""
    thumb(page, "down").click()
    box(page).locator("label").nth(2).click()
    box(page).locator("input[type=text]").fill(COMMENT)


EXPLAINED: Stored = ("down", ["too_long"], COMMENT)
PLAIN: Stored = ("down", [], "")
WAYS: dict[str, Callable[[Page], object]] = {
    "save": lambda page: box(page).locator("button[type=submit]").click(),
    "enter": lambda page: page.keyboard.press("Enter"),
    "cross": lambda page: box(page).get_by_label("Dismiss").click(),
    "outside": lambda page: page.locator(".p-title").click(),
    "escape": lambda page: page.keyboard.press("Escape"),
    "another box": lambda page: page.locator("[data-act=details]").click(),
    "new chat": lambda page: page.get_by_text("New chat").first.click(),
    "back": lambda page: page.go_back(),
    "reload": lambda page: page.reload(),
    "leave": lambda page: page.goto("about:blank"),
    "close the tab": lambda page: page.close(run_before_unload=True),
}


USUAL_WAYS = ("save", "outside", "new chat", "reload", "leave")  # the others are tried in .ci/run


@pytest.mark.parametrize(
    "way", [way if way in USUAL_WAYS else pytest.param(way, marks=pytest.mark.slow) for way in WAYS]
)
def test_however_the_box_closes_what_was_typed_is_stored_once(
    rated: Page, log: Callable[[], list[Stored]], open_page: OpenPage, server: ServerProcess, way: str
) -> None:
    waiting = open_page(server.url)  # not the page that may be gone
    comment_on(rated)
    WAYS[way](rated)
    stored(waiting, log, PLAIN, EXPLAINED)
    if way in ("save", "outside", "escape"):
        expect(box(rated)).to_have_count(0)
        expect(thumb(rated, "down")).to_have_attribute("aria-pressed", "true")


def test_a_box_that_closes_without_news_stores_nothing(rated: Page, log: Callable[[], list[Stored]]) -> None:
    thumb(rated, "down").click()
    rated.keyboard.press("Escape")
    thumb(rated, "down").click()
    box(rated).locator("button[type=submit]").click()
    expect(box(rated)).to_have_count(0)
    rated.reload()
    rated.locator("[data-act=down][aria-pressed=true]").wait_for()
    assert log() == [PLAIN]


def test_a_pressed_thumb_opens_its_box_again(rated: Page, log: Callable[[], list[Stored]]) -> None:
    """With what was said; nothing is withdrawn, and a thumb up has a box too, which does not come by itself."""
    comment_on(rated)
    rated.keyboard.press("Enter")
    stored(rated, log, PLAIN, EXPLAINED)
    thumb(rated, "down").click()
    expect(box(rated).locator("input[type=text]")).to_have_value(COMMENT)
    expect(box(rated).locator("input:checked")).to_have_count(1)
    thumb(rated, "down").click()
    expect(box(rated)).to_have_count(1)
    box(rated).locator("button[type=submit]").click()
    thumb(rated, "up").click()
    expect(box(rated)).to_have_count(0)
    stored(rated, log, PLAIN, EXPLAINED, ("up", [], ""))
    thumb(rated, "up").click()
    expect(box(rated).locator(".p-chips")).not_to_contain_text("Incorrect")  # the other thumb's reason
    box(rated).locator("input[type=text]").fill("clear")
    rated.keyboard.press("Escape")
    stored(rated, log, PLAIN, EXPLAINED, ("up", [], ""), ("up", [], "clear"))


def test_withdrawing_is_a_button_and_can_be_undone(rated: Page, log: Callable[[], list[Stored]]) -> None:
    """Down, down, Withdraw, Undo: what was typed meanwhile is there again."""
    comment_on(rated)
    box(rated).get_by_text("Withdraw").click()
    expect(thumb(rated, "down")).to_have_attribute("aria-pressed", "false")
    stored(rated, log, PLAIN, ("retracted", [], ""))
    rated.locator(".p-toast button").click()
    expect(thumb(rated, "down")).to_have_attribute("aria-pressed", "true")
    stored(rated, log, PLAIN, ("retracted", [], ""), EXPLAINED)


def test_saving_revives_nothing_that_was_withdrawn_elsewhere(
    rated: Page, log: Callable[[], list[Stored]], server: ServerProcess
) -> None:
    comment_on(rated)
    stored(rated, log, PLAIN)
    reply = rated.locator(".p-reply").get_attribute("data-id")
    server.http.put(f"/api/messages/{reply}/rating", json={"verdict": "retracted"}).raise_for_status()
    expect(thumb(rated, "down")).to_have_attribute("aria-pressed", "false")
    box(rated).locator("button[type=submit]").click()
    expect(rated.locator(".p-toast")).to_contain_text("Not saved")
    rated.reload()
    rated.locator("[data-act=down]").wait_for()
    assert log() == [PLAIN, ("retracted", [], "")]
