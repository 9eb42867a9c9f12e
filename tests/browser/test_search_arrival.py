"""A search result opens at its words, however long the chat is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, OpenPage, scripted
from tests.support.processes import ServerProcess

LINES = "```python\n" + "print('line')\n" * 12 + "```\n\n"
# Text nodes in the highlight, and how far the first one is from the middle of the log, in px.
ARRIVAL = """() => {
    const [first, ...others] = CSS.highlights.get("parley-found") ?? [];
    if (!first) return null;
    const box = first.getBoundingClientRect(), log = document.querySelector(".p-log").getBoundingClientRect();
    const middle = (rect) => (rect.top + rect.bottom) / 2;
    return { texts: [first, ...others].map(String), away: Math.abs(middle(box) - middle(log)) };
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("arrival")) as running:
        yield running


def long_chat(server: ServerProcess, at: int) -> None:
    """300 messages of very different heights; one has the word in its middle."""
    turns: list[dict[str, Any]] = []
    for n in range(150):
        text = f"Reply {n}. " + "Some text. " * (n * 7 % 90) + "\n\n" + LINES * (n % 4)
        if n == at:
            text = LINES * 9 + "Here is the hidden **Needle** and a needle.\n\n" + LINES * 9
        turns += [{"role": "user", "content": f"Question {n}"}, {"role": "assistant", "content": text}]
    answer = server.http.post("/api/conversations/import", json={"title": f"Long {at}", "messages": turns})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("at", "size"),
    [pytest.param(20, WIDE, marks=pytest.mark.slow), (75, WIDE), pytest.param(140, PHONE, marks=pytest.mark.slow)],
)
def test_a_result_opens_at_its_words(
    server: ServerProcess, open_page: OpenPage, at: int, size: tuple[int, int]
) -> None:
    long_chat(server, at)
    page = open_page(server.url, "en", size)
    if size == PHONE:
        page.get_by_role("button", name="Open the chat list").click()
    found = arrival(page, f"Long {at}")
    assert found["texts"] == ["hidden", "Needle", "needle"]
    assert found["away"] < 20


def arrival(page: Page, title: str) -> dict[str, Any]:
    """Search and open the chat; where its words are, once two looks half a second apart agree."""
    page.get_by_role("searchbox").fill("needle hidden")
    row = page.locator(".p-row", has_text=title)
    expect(row.locator("mark").first).to_be_visible()
    row.locator(".p-row-link").click()
    expect(page.locator(".p-found")).to_have_count(1)
    before = None
    for _ in range(40):
        now: dict[str, Any] | None = page.evaluate(ARRIVAL)
        if now is not None and before is not None and abs(now["away"] - before["away"]) < 1:
            return now
        before = now
        page.wait_for_timeout(500)
    raise AssertionError(before)


def test_whoever_scrolls_is_not_scrolled_back(server: ServerProcess, open_page: OpenPage) -> None:
    long_chat(server, 50)
    page = open_page(server.url)
    arrival(page, "Long 50")
    page.locator(".p-log").hover()
    page.mouse.wheel(0, 3000)
    page.wait_for_timeout(300)
    assert page.evaluate(ARRIVAL)["away"] > 1000
