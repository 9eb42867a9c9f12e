"""Whom the page names: who wrote a reply, or nobody; never the model that happens to be selected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenPage, finished, scripted
from tests.support.processes import ServerProcess

WORDS = {
    "en": {"imported": "Imported", "file": "Model according to the file", "date": "2024"},
    "zh": {"imported": "导入", "file": "文件中注明的模型", "date": "2024年"},
}
SELECTED = "Scripted test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("authors")) as running:
        yield running


def imported(server: ServerProcess) -> str:
    """The address of a chat of another program: one reply with a model, one without."""
    turns = [("user", "q"), ("assistant", "a"), ("user", "q2"), ("assistant", "a2")]
    messages: list[dict[str, Any]] = [{"role": r, "content": c, "timestamp": 1_709_294_400} for r, c in turns]
    messages[1]["model"] = "gpt-4"
    file = {"title": uuid4().hex, "messages": messages}  # the same chat would not be imported again
    made = server.http.post("/api/conversations/import", json=file).json()
    return f"{server.url}/?c={made['id']}"


def details(page: Page, n: int) -> str:
    page.locator("[data-act=details]").nth(n).click()
    text = page.locator(".p-details").first.inner_text()  # below it: what became of its judgements
    page.keyboard.press("Escape")
    return text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_imported_replies_say_so(server: ServerProcess, open_page: OpenPage, language: str) -> None:
    words = WORDS[language]
    page = open_page(imported(server), language)
    names = page.locator(".p-reply .p-author-name")
    expect(names).to_have_text([f"{words['imported']} · gpt-4", words["imported"]])
    first, second = details(page, 0), details(page, 1)
    assert words["file"] in first
    assert "gpt-4" in first
    assert words["file"] not in second
    for text in (first, second):
        assert words["date"] in text
        assert SELECTED not in text
    page.locator("[data-act=regenerate]").last.click()
    expect(names.last).to_have_text(SELECTED)
    finished(page)
    page.locator("[data-act=previous]").last.click()
    expect(names.last).to_have_text(words["imported"])


def test_a_failed_reply_names_the_model_that_failed(server: ServerProcess, open_page: OpenPage) -> None:
    """After a reload, when that model is gone, and when its error has no details."""

    def failed(route: Route) -> None:
        answer = route.fetch()
        conversation = answer.json()
        error = {"code": "worker_failed", "message": "x", "details": {}}
        conversation["messages"][1] |= {"state": "failed", "model_id": "gone", "error": error}
        conversation["messages"][3] |= {"state": "failed", "error": {**error, "code": "not_enough_memory"}}
        route.fulfill(response=answer, body=json.dumps(conversation))

    address = imported(server)
    page = open_page(server.url)
    page.route("**/ui/conversations/*", failed)
    page.goto(address)
    notes = page.locator(".p-note-danger")
    expect(notes.first).to_contain_text("gone couldn't be started")
    expect(notes.last).to_contain_text("Something went wrong: x")
    expect(page.locator(".p-column")).not_to_contain_text(SELECTED)
