"""Quantizations and adapters in the model picker: shown with their memory before anything is loaded, and chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PHONE, OpenPage, scripted, seen
from tests.browser.test_picker import Models, model, opened
from tests.support.processes import ServerProcess


def way(
    name: str, gigabytes: float, *, fits: bool = True, state: str = "ready", default: bool = False
) -> dict[str, Any]:
    rest = {"memory_bytes": gigabytes * 1e9, "fits": fits, "state": state, "default": default, "error": None}
    return {"name": name, "id": "glm" if default else f"glm@{name}", **rest}


def adapter(name: str, title: str, detail: str = "") -> dict[str, Any]:
    return {"name": name, "title": title, "usable": not detail, "detail": detail}


def chatglm() -> Models:
    models = Models()
    ways = [way("none", 13.9, fits=False, default=True), way("int8", 8.1), way("nf4", 5.6)]
    laid = [adapter("polite", "Polite"), adapter("bad", "Bad", "The adapter bad: it is made for another model.")]
    choices = {"quantizations": ways, "adapters": laid, "quantization": "float16", "fetchable": False}
    glm = model("glm", "ready", **choices, title="ChatGLM-6B", memory_bytes=13.9e9, fits=False)
    plain = model("plain", "ready", quantization="int4")
    bins = "old has its weights in a format that can carry code. Convert it once: parley models import /data/old"
    old = model("old", "damaged", fetchable=False, detail=bins, size_bytes=None, memory_bytes=None, fits=None)
    models.items = [model("here", "ready", default=True), glm, plain, old]
    return models


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("choices")) as running:
        yield running


def segments(page: Page) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(".p-choices .p-segments .p-choice").all_inner_texts()]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["float16 14 GB 3.1 GB free", "int8 8.1 GB fits", "nf4 5.6 GB fits"]),
        ("zh", ["float16 14 GB 仅剩 3.1 GB", "int8 8.1 GB 内存足够", "nf4 5.6 GB 内存足够"]),
    ],
)
def test_every_way_is_told_with_its_memory(
    server: ServerProcess, open_page: OpenPage, language: str, expected: list[str]
) -> None:
    page = opened(open_page(server.url, language), chatglm())
    page.get_by_role("listbox").press("ArrowDown")
    assert segments(page) == expected
    expect(page.locator("input[value=glm]").first).to_be_disabled()
    expect(page.locator("input[value='glm@int8']").first).to_be_checked()
    expect(page.locator(".p-choice-broken")).to_contain_text("made for another model")
    page.get_by_role("listbox").press("ArrowDown")
    expect(page.locator(".p-choices")).to_be_hidden()


def test_a_click_takes_what_fits_and_leaves_the_choices_open(server: ServerProcess, open_page: OpenPage) -> None:
    models = chatglm()
    page = opened(open_page(server.url), models)
    page.locator("#parley-model-glm").click()
    expect(page.locator(".p-picker-title")).to_have_text("ChatGLM-6B · int8")
    page.locator(".p-choice", has_text="nf4").click()
    expect(page.locator(".p-picker-title")).to_have_text("ChatGLM-6B · nf4")
    page.locator(".p-choice", has_text="Polite").click()
    expect(page.locator(".p-picker-title")).to_have_text("ChatGLM-6B · nf4 · Polite")
    page.locator(".p-choice", has_text="int8").click()  # the adapter stays
    expect(page.locator(".p-picker-title")).to_have_text("ChatGLM-6B · int8 · Polite")
    page.locator("#parley-model-glm").click()
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(page.locator(".p-picker-title")).to_have_text("ChatGLM-6B · int8 · Polite")
    assert models.calls == []  # choosing loads nothing


def test_by_keyboard_and_the_focus_stays(server: ServerProcess, open_page: OpenPage) -> None:
    models = chatglm()
    page = opened(open_page(server.url), models)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".p-picker-title")).to_have_text("ChatGLM-6B · int8")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Another model")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("input[value='glm@int8']").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".p-picker-title")).to_have_text("ChatGLM-6B · nf4")
    models.items[1]["quantizations"][2]["state"] = "loaded"
    expect(page.locator(".p-choices .p-segments")).to_contain_text("loaded")  # drawn again
    expect(page.locator("input[value='glm@nf4']").first).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".p-picker-title")).to_have_text("ChatGLM-6B · nf4 · Polite")
    page.keyboard.press("Escape")
    expect(page.locator(".p-picker")).to_be_focused()


def test_the_whole_reference_goes_to_the_conversation(server: ServerProcess, open_page: OpenPage) -> None:
    made = server.http.post("/api/conversations", json={"title": "x"}).json()["id"]
    page = open_page(f"{server.url}/?c={made}")
    changes: list[Any] = []

    def patched(route: Route) -> None:
        if route.request.method != "PATCH":
            return route.continue_()
        changes.append(route.request.post_data_json)
        return route.fulfill(json={})

    page.route(f"**/api/conversations/{made}", patched)
    opened(page, chatglm())
    page.get_by_role("listbox").press("ArrowDown")
    page.locator(".p-choice", has_text="Polite").click()
    seen(page, changes)
    assert changes == [{"model_id": "glm@int8+polite"}]


def test_typing_loads_the_way_that_was_chosen(server: ServerProcess, open_page: OpenPage) -> None:
    models = chatglm()
    page = opened(open_page(server.url), models)
    page.get_by_role("listbox").press("ArrowDown")
    page.locator(".p-choice", has_text="nf4").click()
    page.locator(".p-choice", has_text="Polite").click()
    page.keyboard.press("Escape")
    page.locator("#parley-input").press_sequentially("hi")
    seen(page, models.calls)
    assert models.calls == ["POST /glm%40nf4/load"]


def test_a_folder_that_cannot_be_used_says_what_to_do(server: ServerProcess, open_page: OpenPage) -> None:
    page = opened(open_page(server.url), chatglm())
    page.locator("#parley-model-old").click()
    expect(page.locator(".p-model-warning")).to_contain_text("parley models import /data/old")
    expect(page.locator(".p-model-foot button")).to_be_hidden()  # there is nowhere to fetch it from


def test_on_a_phone(server: ServerProcess, open_page: OpenPage) -> None:
    page = opened(open_page(server.url, size=PHONE), chatglm())
    page.locator("#parley-model-glm").click()
    expect(page.locator(".p-choices .p-segments")).to_be_visible()
    edges = page.locator(".p-choices label").evaluate_all("(all) => all.map((e) => e.getBoundingClientRect().toJSON())")
    assert all(edge["left"] >= 0 and edge["right"] <= PHONE[0] and edge["height"] >= 44 for edge in edges)
    assert page.locator(".p-picker-box").evaluate("(box) => box.scrollWidth <= box.clientWidth")
