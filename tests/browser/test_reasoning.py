"""What a model thinks: folded, live, apart from the answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, ask, finished
from tests.support.processes import ServerProcess, serving
from tests.support.servers import scripted_settings

MANIFEST = """
id = "test"
title = "Thinker"
family = "native"
engine = "scripted"

[reasoning]
switch = "enable_thinking"
"""
THOUGHT = " ".join(f"thought{n}" for n in range(60))
WHOLE = f"<think>\n{THOUGHT}\n</think>\n\nThe **answer**."
LONG = " ".join(f"thought{n}" for n in range(600))


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A model that replies what it is asked, word by word."""
    folder: Path = tmp_path_factory.mktemp("reasoning")
    scripted_settings(folder)
    (folder / "store" / "manifests" / "test.toml").write_text(MANIFEST)
    with serving(folder, "--ui", "gradio", PARLEY_MODEL="test") as running:
        yield running


def thinking(page: Page) -> None:
    """Wait until the last reply shows that it thinks."""
    summary = page.locator(".p-reasoning").last.locator("summary")
    expect(summary).to_be_visible()
    expect(summary).to_have_text("Thinking…")


def test_reasoning_is_folded_and_streams_when_unfolded(thinker: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(thinker.url)
    ask(page, WHOLE)
    thinking(page)
    reasoning = page.locator(".p-reasoning").last
    text = reasoning.locator(".p-reasoning-text")
    expect(text).to_be_hidden()
    place = reasoning.locator("summary").bounding_box()
    reasoning.locator("summary").click()
    expect(text).to_be_visible()
    assert reasoning.locator("summary").bounding_box() == place
    expect(text).to_contain_text("thought10")
    assert "<think>" not in page.locator(".p-reply .p-body").inner_text()
    assert finished(page) == "The answer."
    expect(reasoning.locator("summary")).to_have_text("Thought for 3 s")
    expect(text).to_have_text(THOUGHT)
    page.locator('.p-reply [data-act="copy"]').click()
    expect(page.locator("[data-act=copy].p-done")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.readText()") == "The **answer**."
    page.reload()
    expect(page.locator(".p-reasoning summary")).to_have_text("Thought for 3 s")
    expect(page.locator(".p-reasoning-text")).to_be_hidden()


def test_reload_two_tabs_and_stop_while_it_thinks(thinker: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(thinker.url)
    ask(page, f"<think>{LONG}</think>Done.")
    thinking(page)
    other = open_page(page.url, beside=page)
    page.reload()
    for tab in (page, other):
        thinking(tab)
        tab.locator(".p-reasoning summary").click()
        expect(tab.locator(".p-reasoning-text")).to_contain_text("thought20")
        assert tab.locator(".p-reasoning-text").inner_text().startswith("thought0 thought1 thought2 ")
    other.locator(".p-send[data-running]").click()
    for tab in (page, other):
        expect(tab.locator(".p-reply")).to_have_attribute("data-state", "cancelled")
        expect(tab.locator(".p-reasoning summary")).to_contain_text("Thought for")
        expect(tab.locator(".p-note")).to_contain_text("You stopped this reply while the model was thinking.")
    before = page.locator(".p-reasoning-text").inner_text()
    page.get_by_role("button", name="Continue").click()
    thinking(page)
    expect(page.locator(".p-versions")).to_contain_text("2/2")
    shown = page.locator(".p-reasoning-text").text_content() or ""
    assert shown.startswith(before)


def test_thinking_is_switched_off_for_a_chat(thinker: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(thinker.url, language="zh")
    page.locator("[data-act=settings]").click()
    options = page.locator("#parley-thinking label")
    expect(options.nth(0).locator("input")).to_be_checked()
    options.nth(1).click()
    ask(page, "hello")
    expect(page.locator(".p-reply")).to_have_attribute("data-state", "complete")
    page.reload()
    page.locator("[data-act=settings]").click()
    expect(options.nth(1).locator("input")).to_be_checked()
    page.fill("#parley-thinking-tokens", "many")
    page.press("#parley-thinking-tokens", "Tab")
    expect(page.locator("#parley-thinking-tokens-problem")).to_be_visible()
