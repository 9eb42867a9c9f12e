"""Which model answers: the one that was chosen last, one that is missing, one that is recommended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage, ask, finished, scripted
from tests.browser.test_picker import Models, model, opened
from tests.support.processes import ServerProcess
from tests.support.servers import scripted_settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chosen")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    scripted_settings(folder, ("test", "other"))
    with scripted(folder) as running:
        yield running


def models_of(server: ServerProcess, page: Page) -> list[str]:
    """The models that have answered in the page's chat, in order."""
    chat = page.url.partition("c=")[2]
    messages = server.http.get(f"/api/conversations/{chat}").json()["messages"]
    return [message["model_id"] for message in messages if message["role"] == "assistant"]


def test_the_model_chosen_last_answers_in_new_chats_and_at_the_next_visit(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    name = page.locator(".p-picker-title")
    expect(name).to_have_text("Scripted test")
    page.locator(".p-picker").click()
    page.get_by_role("option", name="Scripted other").click()
    ask(page, "Hello")
    finished(page)
    page.get_by_role("button", name="New chat").first.click()
    expect(name).to_have_text("Scripted other")
    again = open_page(server.url, beside=page)
    expect(again.locator(".p-picker-title")).to_have_text("Scripted other")
    ask(again, "Hello")
    finished(again)
    assert models_of(server, again) == ["other"]


def test_a_chat_whose_model_is_gone_asks_for_another(folder: Path, server: ServerProcess, open_page: OpenPage) -> None:
    scripted_settings(folder, ("gone",))
    page = open_page(server.url)
    page.locator(".p-picker").click()
    page.get_by_role("option", name="Scripted gone").click()
    ask(page, "Hello")
    finished(page)
    asked: list[Any] = []
    page.on("request", lambda request: request.method == "POST" and asked.append(request.url))
    (folder / "store" / "manifests" / "gone.toml").unlink()
    page.reload()
    notice = page.locator(".p-alert", has_text="gone")
    expect(notice).to_contain_text("no longer available")
    ask(page, "And now?")
    expect(page.locator("#parley-input")).to_have_value("And now?")
    use = notice.get_by_role("button", name="Use Scripted test")
    expect(use).to_be_visible()
    page.locator("[data-act=regenerate]").last.click(force=True)
    expect(page.locator(".p-toast")).to_contain_text("gone")
    assert asked == []
    use.click()
    expect(notice).to_be_hidden()
    page.locator("#parley-input").press("Enter")
    expect(page.locator(".p-reply")).to_have_count(2)
    finished(page)
    assert models_of(server, page) == ["gone", "test"]


def many() -> Models:
    """More models than one looks through."""
    models = Models()
    models.items += [model(f"more-{n}", "not_fetched", parameters=f"{n}B", tier="older") for n in range(5)]
    models.items.append(model("base-7b", "not_fetched", tier="base", memory_bytes=1))
    models.items.append(model("best", "not_fetched", recommended=True, tier="recent", title="Best 4B"))
    return models


@pytest.mark.parametrize(("language", "word"), [("en", "Recommended for this computer"), ("zh", "推荐")])
def test_many_models_can_be_searched_and_one_is_recommended(
    server: ServerProcess, open_page: OpenPage, language: str, word: str
) -> None:
    page = opened(open_page(server.url, language, PHONE if language == "zh" else (1280, 800)), many())
    options = page.get_by_role("option")
    names = page.locator(".p-model-title").all_inner_texts()
    absent = names[names.index("Best 4B") :]
    assert absent[0] == "Best 4B"
    assert absent.index("Base-7B") > absent.index("More-4")
    expect(page.locator(".p-model-recommended")).to_have_text([word])
    page.get_by_role("listbox").press("b")
    search = page.locator(".p-model-search")
    expect(search).to_be_focused()
    expect(search).to_have_value("b")
    search.fill("more 3b")
    expect(options).to_have_count(1)
    expect(page.locator(".p-model-panel")).to_contain_text("About more-3.")
    search.fill("nonsense")
    expect(options).to_have_count(0)
    expect(page.locator(".p-models-nothing")).to_contain_text("nonsense")
    search.press("Escape")
    expect(options).to_have_count(13)
    search.fill("other")
    search.press("Enter")
    expect(page.locator(".p-picker-title")).to_have_text("Other")


def test_few_models_need_no_search(server: ServerProcess, open_page: OpenPage) -> None:
    page = opened(open_page(server.url), Models())
    expect(page.locator(".p-model-search")).to_be_hidden()


def test_a_chinese_page_offers_the_recommended_chinese_model_in_one_click(
    server: ServerProcess, open_page: OpenPage
) -> None:
    models = Models()
    models.items = [
        model("english", "ready", languages=["en"], default=True),
        model("little", "not_fetched", memory_bytes=1, tier="recent"),
        model("best", "not_fetched", recommended=True, tier="recent"),
    ]
    page = opened(open_page(server.url, "zh", PHONE), models)
    page.keyboard.press("Escape")
    offer = page.locator(".p-below .p-notice")
    expect(offer).to_contain_text("不支持中文")
    offer.get_by_role("button", name="下载 Best").click()
    models.items[2] |= {"state": "fetching", "progress": {"done_bytes": 40, "total_bytes": 100}}
    expect(offer).to_contain_text("40%")
    models.items[2] |= {"state": "ready", "progress": None}
    expect(page.locator(".p-picker-title")).to_have_text("Best")
    expect(offer).to_have_count(0)
    assert models.calls == ["POST /best/pull"]
