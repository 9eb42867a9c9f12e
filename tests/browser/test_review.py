"""The feedback area: review by click and by key, statistics, leaderboard; also on a phone and in Chinese."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE, OpenPage, scripted
from tests.support.processes import ServerProcess
from tests.support.servers import scripted_settings

QUESTIONS = ("How hot should the water for green tea be?", "怎样泡绿茶？", "Name three rivers in Asia.")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("review")
    with scripted(folder) as running:
        scripted_settings(folder, models=("test", "other"))
        yield running


@pytest.fixture(scope="module")
def judged(server: ServerProcess) -> ServerProcess:
    """A server with twelve judgements: three thumbs up, three down, and six comparisons."""
    http = server.http
    for n, text in enumerate(QUESTIONS):
        conversation = http.post("/api/conversations", json={}).json()["id"]
        first = http.post(f"/api/conversations/{conversation}/messages", json={"content": text}).json()["reply"]
        finished(server, conversation)
        others = [http.post(f"/api/messages/{first['id']}/regenerate", json={}).json()["reply"] for _ in range(1)]
        finished(server, conversation)
        rate(server, first["id"], "down", reasons=["wrong", "too_long"][: n + 1], comment="Not quite." if n else "")
        rate(server, others[0]["id"], "up", reasons=["clear"], score=8)
        items = [{"message_id": m["id"], "rank": rank} for rank, m in enumerate([others[0], first], 1)]
        http.post("/api/rankings", json={"source": "regenerate", "items": items}).raise_for_status()
        http.post(f"/api/messages/{first['id']}/correction", json={"content": "What it should say."}).raise_for_status()
    return server


def finished(server: ServerProcess, conversation: str) -> None:
    for _ in range(200):
        messages = server.http.get(f"/api/conversations/{conversation}").json()["messages"]
        if all(message["state"] != "pending" for message in messages):
            return
        time.sleep(0.05)
    raise AssertionError("the reply did not end")


def rate(server: ServerProcess, message_id: str, verdict: str, **more: Any) -> None:
    server.http.put(f"/api/messages/{message_id}/rating", json={"verdict": verdict, **more}).raise_for_status()


def open_area(page: Page) -> Locator:
    if page.evaluate("document.documentElement.dataset.sidebar") == "closed":
        page.locator("[aria-controls=parley-sidebar]").click()
    page.locator(".p-feedback-button").click()
    expect(page.locator(".p-area")).to_be_visible()
    return page.locator(".p-review-row")


def keep(page: Page, name: str) -> None:
    """A screenshot to look at, if a folder for them is named."""
    if folder := os.environ.get("PARLEY_TEST_SCREENSHOTS"):
        page.wait_for_timeout(300)
        page.screenshot(path=str(Path(folder) / f"review-{name}.png"))


def test_what_is_empty_says_what_to_do(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    open_area(page)
    expect(page.locator(".p-review")).to_contain_text("Rate a reply with the thumbs")
    page.get_by_role("tab", name="Statistics").click()
    expect(page.locator(".p-area")).to_contain_text("this page shows what people like")
    page.get_by_role("tab", name="Leaderboard").click()
    expect(page.locator(".p-area")).to_contain_text("Compare two models side by side")


def test_judgements_are_reviewed_by_click_and_by_key(judged: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(judged.url)
    rows = open_area(page)
    expect(rows).to_have_count(12)
    rows.first.click()
    preview = page.locator(".p-review-preview")
    expect(preview).to_contain_text("Name three rivers in Asia.")
    keep(page, "chosen")
    preview.get_by_label("Note").fill("A joke, a x j")
    preview.get_by_role("button", name="Exclude").click()
    expect(rows.first.locator(".p-tag")).to_have_text("Excluded")
    expect(rows.nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("a")
    expect(rows.nth(1).locator(".p-tag")).to_have_text("Accepted")
    page.keyboard.press("k")
    page.keyboard.press("u")
    expect(rows.nth(1).locator(".p-tag")).to_have_count(0)
    expect(rows.nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("k")
    expect(rows.first).to_have_attribute("aria-current", "true")
    expect(preview).to_contain_text("left out in the review")
    preview.get_by_role("button", name="Undo decision").click()
    expect(rows.first.locator(".p-tag")).to_have_count(0)
    expect(page.locator(".p-toasts")).to_contain_text("Not reviewed any more.")
    listed = judged.http.get("/api/feedback/judgements").json()["items"]
    assert {item["decision"] for item in listed} == {"open"}


def test_filters_leave_out_what_does_not_meet_them(judged: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(judged.url)
    rows = open_area(page)
    expect(rows).to_have_count(12)
    page.locator(".p-filters-summary").click()
    page.get_by_label("Language").select_option(label="Chinese")
    expect(rows).to_have_count(4)
    page.get_by_label("Kind").select_option(label="Bad reply")
    expect(rows).to_have_count(1)
    keep(page, "filters")
    page.get_by_label("Only where raters disagree").check()
    expect(page.locator(".p-review")).to_contain_text("No judgement meets these filters")
    page.get_by_role("button", name="Clear filters").click()
    expect(rows).to_have_count(12)


def test_the_area_has_an_address_and_closes(judged: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(judged.url)
    open_area(page)
    page.get_by_role("tab", name="Leaderboard").click()
    assert page.url.endswith("?view=leaderboard")
    page.reload()
    expect(page.get_by_role("tab", name="Leaderboard")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".p-board")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("tab", name="Review")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.locator(".p-area")).to_be_hidden()
    page.go_forward()
    page.locator(".p-review-row").first.click()
    page.keyboard.press("Escape")
    expect(page.locator(".p-area")).to_be_hidden()
    expect(page.locator("#parley-input")).to_be_visible()
    page.locator(".p-feedback-button").click()
    page.locator(".p-review-row").first.click()
    page.get_by_role("button", name="Open in chat").click()
    expect(page.locator(".p-area")).to_be_hidden()
    expect(page.locator(".p-reply").first).to_be_visible()
    assert "?c=" in page.url


def test_figures_are_drawn_with_tables(judged: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(judged.url)
    open_area(page)
    page.get_by_role("tab", name="Statistics").click()
    expect(page.locator(".p-tiles")).to_contain_text("12")
    expect(page.get_by_role("img", name="Judgements per day")).to_be_visible()
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("table", name="Judgements per day").get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("table", name="What was wrong")).to_contain_text("Incorrect")
    keep(page, "statistics")
    page.get_by_role("tab", name="Leaderboard").press("Enter")
    expect(page.locator(".p-area")).to_contain_text("between replies of the same model")
    keep(page, "leaderboard")


def test_on_a_phone_in_chinese_nothing_overflows(judged: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(judged.url, "zh", PHONE, dark=True)
    rows = open_area(page)
    expect(rows).to_have_count(12)
    keep(page, "phone-list")
    rows.nth(2).click()
    expect(page.locator(".p-review-preview")).to_be_visible()
    expect(rows.first).to_be_hidden()
    keep(page, "phone-chosen")
    page.get_by_role("button", name="返回列表").click()
    expect(rows.first).to_be_visible()
    for tab, name in (("统计", "statistics"), ("排行榜", "leaderboard"), ("数据集", "datasets")):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(".p-figures:visible :is(.p-data-frame, form):visible").first).to_be_visible()
        keep(page, f"phone-{name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert page.evaluate("document.querySelector('.p-tab-panel:not([hidden]) .p-figures').scrollWidth") <= PHONE[0]
