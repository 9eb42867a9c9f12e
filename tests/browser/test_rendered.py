"""How rendered text looks: formulas, tables on phones, directions, and the whole conversation on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage, ask, finished, scripted, until
from tests.support.processes import ServerProcess


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("rendered")) as running:
        yield running


def replied(page: Page, text: str) -> None:
    ask(page, f"Begin\n\n{text}")  # the model says that it echoes, on the first line
    finished(page)


def box(page: Page, selector: str) -> dict[str, float]:
    found = page.locator(selector).first.bounding_box()
    assert found is not None
    return dict(found)


def direction(page: Page, selector: str) -> list[str]:
    found: list[str] = page.locator(f".p-reply {selector}").evaluate_all(
        "elements => elements.map((element) => getComputedStyle(element).direction)"
    )
    return found


def test_formulas_have_rows_and_a_font_of_ours(echo: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(echo.url)
    fonts: list[str] = []
    page.on("response", lambda response: fonts.append(response.url) if ".woff2" in response.url else None)
    replied(page, "no formula")
    assert [url for url in fonts if "/math-" in url] == []  # fetched with the first formula only
    with page.expect_response(re.compile(r"/math-\w+\.woff2$")) as response:
        replied(page, "$$\n\\left(\\begin{aligned} x &= 1 \\\\ y &= 2 \\\\ z &= 3 \\end{aligned}\\right)\n$$")
    assert response.value.status == 200
    until(page, "[...document.fonts].some((f) => f.family.includes('Parley Math') && f.status === 'loaded')")
    rows = page.locator(".p-reply mtr").evaluate_all("rows => rows.map((row) => row.getBoundingClientRect().top)")
    assert len(rows) == 3
    assert rows == sorted(set(rows))
    table, bracket = box(page, ".p-reply mtable"), box(page, ".p-reply math mo")
    assert bracket["height"] > 0.8 * table["height"]  # it stretches


def test_a_wide_table_scrolls_in_its_box(echo: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(echo.url, size=PHONE)
    cell = "several ordinary words"
    row = f"| {' | '.join([cell] * 5)} |"
    replied(page, f"| {' | '.join(['Heading'] * 5)} |\n|{'---|' * 5}\n{row}\n{row}")
    scrolled = page.locator(".p-reply .table").evaluate("box => [box.scrollWidth, box.clientWidth]")
    assert scrolled[0] > scrolled[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert box(page, ".p-reply td")["height"] < 120  # three short lines, not letters one below the other
    assert box(page, ".p-reply .table")["width"] <= PHONE[0]


def test_a_long_word_stays_in_its_column(echo: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(echo.url, size=PHONE)
    replied(page, f"{'x' * 300}\n\n`{'y' * 300}`\n\n- https://a.example/{'z' * 300}")
    assert page.locator(".p-log").evaluate("log => log.scrollWidth - log.clientWidth") == 0


def test_each_block_has_its_own_direction(echo: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(echo.url)
    replied(page, "نص عربي `x()`\n\n```\ncode\n```\n\nEnglish (text)\n\n> اقتباس\n\n- عربي\n- English\n\n$$x$$")
    assert direction(page, "p") == ["ltr", "rtl", "ltr", "rtl"]
    assert direction(page, "blockquote") == ["rtl"]
    assert direction(page, "li") == ["rtl", "ltr"]
    assert direction(page, "figure, .p-body code, math") == ["ltr"] * 4


def test_the_whole_conversation_is_printed(echo: ServerProcess, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(echo.url, dark=True)
    for i in range(4):
        replied(page, f"Question {i}\n\n" + "\n\n".join(f"Paragraph {i} {j}" for j in range(25)))
    replied(page, f"```python\nprint('{'long ' * 60}')\n```")
    page.emulate_media(media="print")
    for shown in (".p-question", ".p-reply"):
        expect(page.locator(shown).first).to_be_visible()
    for hidden in ("#parley-sidebar", ".p-composer", ".p-actions", ".p-top button", ".copy"):
        expect(page.locator(hidden).first).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollHeight") > 4_000
    code = page.locator(".p-reply pre").last.evaluate("pre => pre.scrollWidth - pre.clientWidth")
    assert code <= 0
    assert page.locator(".p-reply p").first.evaluate("p => getComputedStyle(p).color") == "rgb(29, 30, 32)"
    pdf = page.pdf(path=tmp_path / "chat.pdf", format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 4
