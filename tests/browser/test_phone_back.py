"""Back on a phone closes what covers the page before it leaves the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage, ask, finished, scripted
from tests.support.processes import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("back")) as running:
        yield running


def panel(page: Page, name: str) -> str | None:
    return page.locator("html").get_attribute(f"data-{name}")


def test_back_closes_what_is_open_and_then_goes_to_the_chat_before(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url, "zh", PHONE)
    ask(page, "first")
    finished(page)
    first = page.url
    page.locator(".p-top .p-icon").first.click()
    page.locator(".p-new").click()
    expect(page.locator("html")).to_have_attribute("data-sidebar", "closed")
    expect(page).to_have_url(f"{server.url}/")
    ask(page, "second")
    finished(page)
    second = page.url

    page.locator(".p-picker").first.click()
    expect(page.locator(".p-picker-box")).to_be_visible()
    page.go_back()
    expect(page.locator(".p-picker-box")).to_have_count(0)

    page.locator(".p-top .p-icon").first.click()
    expect(page.locator("html")).to_have_attribute("data-sidebar", "open")
    page.locator(".p-row-menu").first.click()
    page.go_back()
    expect(page.locator(".p-menu")).to_have_count(0)
    assert panel(page, "sidebar") == "open"
    page.go_back()
    expect(page.locator("html")).to_have_attribute("data-sidebar", "closed")
    page.go_forward()
    expect(page).to_have_url(second)
    assert panel(page, "sidebar") == "closed"

    page.locator(".p-top .p-icon").first.click()
    page.locator(".p-row", has_text="first").locator(".p-row-title").click()
    expect(page).to_have_url(first)
    expect(page.locator(".p-question").last).to_contain_text("first")
    page.go_back()
    expect(page).to_have_url(second)
    page.go_forward()
    expect(page).to_have_url(first)
    expect(page.locator(".p-question").last).to_contain_text("first")
