"""Several replies put in order: with keys, by dragging, with a finger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.comparisons import by_position, compared, line, ranking, reopened
from tests.browser.conftest import PHONE, OpenPage, scripted
from tests.support.processes import ServerProcess

LONG = "one two three four five six seven eight nine ten " * 6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("ranking")) as running:
        yield running


def rows(page: Page) -> list[str]:
    shown = "(row) => row.querySelector('.p-order-rank').textContent + row.querySelector('.p-letter').textContent"
    found: list[str] = page.locator(".p-order-row").evaluate_all(f"(all) => all.map({shown})")
    return found


def test_samples_are_ranked_with_keys(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url), mode="samples", samples=4)
    expect(page.locator(".p-contender")).to_have_count(4)
    row = page.locator(".p-order-row")
    row.nth(2).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert rows(page) == ["1C", "2A", "3B", "4D"]
    row.nth(3).focus()
    page.keyboard.press("2")
    assert rows(page) == ["1C", "2A", "2D", "3B"]
    expect(row.nth(2)).to_be_focused()
    expect(row.nth(2)).to_have_attribute("aria-label", "Reply D: place 2 of 4")
    page.locator("[data-act=tie]").nth(1).click()
    assert rows(page) == ["1C", "1A", "1D", "2B"]
    page.locator(".p-verdict-foot .p-primary").click()
    expect(line(page)).to_contain_text("Your order: A = C = D > B.")
    chosen = ranking(server, page)
    assert (by_position(chosen), chosen["source"]) == ([1, 2, 1, 1], "ranking")
    reopened(page)
    page.locator("[data-act=change]").click()
    assert rows(page) == ["1A", "1C", "1D", "2B"]


def test_samples_are_ranked_by_dragging(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url), mode="samples")
    last, first = (page.locator(".p-order-row").nth(n).bounding_box() or {} for n in (2, 0))
    page.mouse.move(last["x"] + 200, last["y"] + 20)
    page.mouse.down()
    page.mouse.move(last["x"] + 200, first["y"] + 30, steps=6)
    page.mouse.move(last["x"] + 200, first["y"] + 10, steps=3)
    page.mouse.up()
    assert rows(page) == ["1C", "2A", "3B"]
    page.locator(".p-verdict-foot .p-primary").click()
    expect(line(page)).to_contain_text("Your order: C > A > B.")
    assert by_position(ranking(server, page)) == [2, 3, 1]


def test_samples_are_ranked_with_a_finger(server: ServerProcess, open_page: OpenPage) -> None:
    """Dragging at the handle moves the reply and not the page; beside it, the page scrolls and nothing is moved."""
    page = compared(open_page(server.url, "zh", PHONE), LONG, mode="samples")
    page.locator(".p-verdict-foot").scroll_into_view_if_needed()
    touch = page.context.new_cdp_session(page)

    def drag(start: Locator, dy: float) -> None:
        box = start.bounding_box() or {}
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 9):
            points = [{"x": x, "y": y + dy * step / 8}]
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": points})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    drag(page.locator(".p-order-text").first, 110)
    assert rows(page) == ["1A", "2B", "3C"]
    page.locator(".p-verdict-foot").scroll_into_view_if_needed()
    page.wait_for_timeout(400)  # until the page has stopped scrolling
    drag(page.locator(".p-order-grip").first, 120)
    assert rows(page) == ["1B", "2C", "3A"]
    page.locator(".p-verdict-foot .p-primary").click()
    expect(line(page)).to_contain_text("B > C > A")
