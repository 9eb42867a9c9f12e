"""Files with feedback and training data on the page: what was taken is told, and only chats are in the list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, OpenPage, scripted
from tests.support.processes import ServerProcess

SAMPLES = Path(__file__).parents[1] / "chat" / "samples"
WORDS = {
    "en": ("3 rows of datasets, 5 judgements", "1 chat, 2 judgements", "Nothing new: 1 was there already"),
    "zh": ("3 条数据集样本、5 条评价", "1 个对话、2 条评价", "没有新内容：1 个此前已导入"),
}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("imports")) as running:
        yield running


def choose(page: Page, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(path)


@pytest.mark.parametrize(("language", "size"), [("en", WIDE), ("zh", PHONE)])
def test_judgements_come_along(
    server: ServerProcess, open_page: OpenPage, tmp_path: Path, language: str, size: tuple[int, int]
) -> None:
    rows, chat, again = WORDS[language]
    page = open_page(server.url, language, size)
    told = page.locator(".p-toast")
    choose(page, SAMPLES / "open_webui_feedback.json")
    expect(told.filter(has_text=rows)).to_be_visible()
    assert server.http.get("/api/conversations").json()["items"] == []
    choose(page, SAMPLES / "open_webui_chats.json")
    expect(told.filter(has_text=chat)).to_be_visible()
    expect(page.locator(".p-reply .p-text, .p-reply").first).to_contain_text("80 °C.")
    opened = page.url
    choose(page, SAMPLES / "open_webui_chats.json")
    expect(told.filter(has_text=again)).to_be_visible()
    assert page.url == opened
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"prompt": "q", "chosen": "a", "rejected": "b"}\n{"prompt"\n' + json.dumps({"a": 1}))
    choose(page, broken)
    last = told.filter(has_text="2")
    last.get_by_role("button").first.click()
    expect(page.locator(".p-import-lines")).to_contain_text("#2")
    expect(page.locator(".p-import-lines")).to_contain_text("#3")


@pytest.mark.parametrize(("language", "size"), [("en", WIDE), ("zh", PHONE)])
def test_what_came_from_a_file_is_removed(
    server: ServerProcess, open_page: OpenPage, language: str, size: tuple[int, int]
) -> None:
    rows = [{"prompt": f"q{n}", "chosen": "good", "rejected": "bad"} for n in range(3)]
    server.http.post("/api/conversations/import", params={"name": "pairs.json"}, json=rows).raise_for_status()
    page = open_page(f"{server.url}/?view=datasets", language, size)
    file = page.locator("[data-file='pairs.json']")
    expect(file).to_contain_text("3")
    button = file.get_by_role("button")
    button.click()
    expect(button).to_have_attribute("data-sure", "")
    button.click()
    expect(page.locator(".p-toast").filter(has_text="3")).to_be_visible()
    expect(page.locator(".p-imported-files")).to_be_hidden()
    assert server.http.get("/api/imported-files").json() == {"items": []}
