"""Correcting a reply in place, the score, the keys of the thumbs, consent, and what became of a judgement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage, ask, finished, scripted
from tests.support.processes import ServerProcess

BETTER = "A **better** reply."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("corrections")) as running:
        yield running


def answered(server: ServerProcess, open_page: OpenPage, *page: Any, text: str = "short") -> Page:
    opened = open_page(server.url, *page)
    ask(opened, text)
    finished(opened)
    return opened


def correct(page: Page, text: str) -> None:
    button = page.locator("[data-act=correct]").last
    if button.is_visible():
        button.click()
    else:  # on a phone
        page.locator("[data-act=down]").last.click()
        page.locator(".p-why-foot button").nth(1).click()
    expect(page.locator(".p-editor textarea")).to_be_focused()  # in the next frame, with the caret at its end
    page.locator(".p-editor textarea").fill(text)
    page.locator(".p-editor [type=submit]").click()
    expect(page.locator(".p-editor")).to_have_count(0)


def judgements(server: ServerProcess, message_id: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.http.get(f"/api/messages/{message_id}/judgements").json()
    return found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_corrected_reply_is_shown_with_what_was_changed(
    server: ServerProcess, open_page: OpenPage, language: str
) -> None:
    page = answered(server, open_page, language, PHONE if language == "zh" else (1280, 800))
    original = page.locator(".p-reply").get_attribute("data-id")
    correct(page, BETTER)
    reply = page.locator(".p-reply").first
    expect(reply.locator(".p-body strong")).to_have_text("better")
    expect(reply.locator(".p-author-name")).to_have_text("Corrected by a person" if language == "en" else "人工修改")
    expect(reply.locator(".p-versions")).to_contain_text("2/2")
    reply.locator(".p-correction summary").click()
    expect(reply.locator(".p-diff ins").first).to_be_visible()
    expect(reply.locator(".p-diff del").first).to_be_visible()
    (judgement,) = [x for x in judgements(server, original) if x["kind"] == "ranking"]
    assert judgement["rows"] == ["pair", "ranking", "demonstration"]
    page.reload()
    expect(page.locator(".p-reply .p-body strong")).to_have_text("better")
    ask(page, "and then")
    finished(page)
    expect(page.locator(".p-reply .p-body strong")).to_have_text("better")  # the chat goes on from it


def test_a_correction_is_withdrawn_and_counts_again(server: ServerProcess, open_page: OpenPage) -> None:
    page = answered(server, open_page)
    original = page.locator(".p-reply").get_attribute("data-id")
    correct(page, BETTER)
    button = page.locator(".p-correction-line .p-verdict-act")
    with page.expect_response("**/api/rankings/*"):
        button.click()
    expect(button).to_have_text("Count it as feedback")
    assert [x["rows"] for x in judgements(server, original)] == [[]]
    page.reload()
    expect(page.locator(".p-reply .p-body strong")).to_have_text("better")  # the text stays
    with page.expect_response("**/api/rankings"):
        button.click()
    expect(button).to_have_text("Don't count it")
    assert judgements(server, original)[0]["rows"] == ["pair", "ranking", "demonstration"]


def test_a_correction_is_cancelled_and_refused_without_loss(server: ServerProcess, open_page: OpenPage) -> None:
    page = answered(server, open_page)
    text = page.locator(".p-reply .p-body").inner_text()
    page.locator("[data-act=correct]").click()
    expect(page.locator(".p-editor textarea")).to_be_focused()  # in the next frame, with the caret at its end
    page.locator(".p-editor textarea").fill(BETTER)
    page.keyboard.press("Escape")
    expect(page.locator(".p-reply .p-body")).to_have_text(text)
    page.locator("[data-act=correct]").click()
    expect(page.locator(".p-editor textarea")).to_be_focused()  # in the next frame, with the caret at its end
    page.locator(".p-editor textarea").fill(text)
    page.locator(".p-editor [type=submit]").click()
    expect(page.locator(".p-editor .p-error")).to_be_visible()
    expect(page.locator(".p-editor textarea")).to_have_value(text)
    page.locator(".p-editor textarea").fill(BETTER)
    page.keyboard.press("Control+Enter")
    expect(page.locator(".p-reply .p-body strong")).to_have_text("better")


def test_a_score_is_given_changed_and_taken_back(server: ServerProcess, open_page: OpenPage) -> None:
    page = answered(server, open_page)
    reply = page.locator(".p-reply").get_attribute("data-id")

    def score(value: int) -> int | None:
        page.locator("[data-act=up]").click()
        page.locator(".p-scores label").nth(value - 1).click()
        with page.expect_response(lambda r: r.url.endswith("/rating")):
            page.keyboard.press("Escape")
        found: int | None = judgements(server, reply)[0]["rating"]["score"]
        return found

    page.locator("[data-act=up]").click()
    assert score(8) == 8
    assert score(9) == 9
    page.reload()
    page.locator("[data-act=up][aria-pressed=true]").wait_for()
    assert score(9) is None  # pressed again


def test_alt_and_an_arrow_rate_the_last_reply_from_the_empty_composer(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = answered(server, open_page)
    page.locator("#parley-input").focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("[data-act=up]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Alt+ArrowDown")
    expect(page.locator("[data-act=down]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".p-popover")).to_be_visible()


def test_the_details_tell_what_became_of_a_judgement_and_consent_decides(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = answered(server, open_page)
    with page.expect_response(lambda r: r.url.endswith("/rating")):
        page.locator("[data-act=up]").click()
    page.locator("[data-act=details]").click()
    expect(page.locator(".p-judgements dd")).to_have_text("a rated reply, an example to learn from")
    page.keyboard.press("Escape")
    page.locator(".p-chip-button[aria-haspopup=dialog]").first.click()
    page.locator("#parley-training").uncheck()
    expect(page.locator("#parley-training")).not_to_be_checked()
    page.reload()
    page.locator("[data-act=details]").click()
    expect(page.locator(".p-judgements dd")).to_contain_text("isn't for training")
