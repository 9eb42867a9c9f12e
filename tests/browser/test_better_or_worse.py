"""After Regenerate: better, the same or worse than the version before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, OpenPage, ask, finished, scripted
from tests.support.processes import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("better")) as running:
        yield running


def said(page: Page) -> list[str]:
    """The steps that are pressed."""
    pressed: list[str] = page.evaluate(
        "[...document.querySelectorAll('.p-better [aria-pressed=true]')].map((b) => b.dataset.step)"
    )
    return pressed


@pytest.mark.parametrize(("language", "size", "word"), [("en", WIDE, "Better"), ("zh", PHONE, "更好")])
def test_one_tap_says_that_a_version_is_better_and_it_can_be_changed_and_withdrawn(
    server: ServerProcess, open_page: OpenPage, language: str, size: tuple[int, int], word: str
) -> None:
    page = open_page(server.url, language, size)
    ask(page, "short")
    finished(page)
    expect(page.locator(".p-better")).to_have_count(0)
    page.locator("[data-act=regenerate]").click()
    expect(page.locator(".p-versions")).to_contain_text("2/2")
    finished(page)
    steps = page.locator(".p-better [data-step]")
    expect(steps.first).to_have_text(word)
    expect(page.locator(".p-better-withdraw")).to_be_hidden()
    with page.expect_response("**/api/rankings"):
        steps.first.click()
    page.reload()
    expect(page.locator(".p-better [aria-pressed=true]")).to_have_text(word)
    with page.expect_response("**/api/rankings"):
        steps.last.click()
    assert said(page) == ["worse"]
    with page.expect_response("**/api/rankings/*"):
        page.locator(".p-better-withdraw").click()
    assert said(page) == []
    page.reload()
    expect(steps.first).to_be_visible()
    assert said(page) == []


def test_it_is_told_in_other_tabs(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    ask(page, "short")
    finished(page)
    page.locator("[data-act=regenerate]").click()
    page.locator(".p-better").wait_for()
    other = open_page(page.url, beside=page)
    other.locator(".p-better").wait_for()
    page.locator("[data-step=same]").click()
    expect(other.locator("[data-step=same]")).to_have_attribute("aria-pressed", "true")
