"""The model picker in every state that a model can be in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import MODEL_EVENTS, PHONE, OpenPage, scripted, seen
from tests.support.processes import ServerProcess


def model(model_id: str, state: str, **more: Any) -> dict[str, Any]:
    plain = {"title": model_id.title(), "description": f"About {model_id}.", "kind": "chat", "languages": ["en", "zh"]}
    sizes = {"size_bytes": 98_000_000, "memory_bytes": 500_000_000, "fits": True, "progress": None, "error": None}
    rest = {"parameters": "1B", "quantization": "Q4", "context_tokens": 2048, "licence": "MIT", "default": False}
    rest |= {"quantizations": [], "adapters": [], "fetchable": True, "detail": ""}
    return {"id": model_id, "state": state, "default_sampling": {}, **plain, **sizes, **rest, **more}


class Models:
    """Answers /api/models in the server's place."""

    def __init__(self) -> None:
        self.items = [
            model("here", "ready", default=True),
            model("other", "loaded", languages=["en"], description="Small, and English only."),
            model("absent", "not_fetched"),
            model("huge", "not_fetched", fits=False, memory_bytes=4_900_000_000),
            model("broken", "damaged"),
            model("slow", "loading"),
        ]
        self.calls: list[str] = []
        self.listings = 0

    def answer(self, route: Route) -> None:
        path, method = route.request.url.split("/api/models")[1], route.request.method
        if path:
            self.calls.append(f"{method} {path}")
            if path.endswith("/pull"):  # as the server: a download is shown from the moment that it was asked for
                name = path.split("/")[1]
                item = next(item for item in self.items if item["id"] == name)
                item |= {"state": "fetching" if method == "POST" else "not_fetched", "progress": None}
            route.fulfill(status=202 if method == "POST" else 204)
        else:
            self.listings += 1
            route.fulfill(json={"items": self.items, "memory": {"total_bytes": 8e9, "available_bytes": 3.1e9}})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("picker")) as running:
        yield running


def opened(page: Page, models: Models) -> Page:
    """The page with `models`, its picker open."""
    page.route("**/api/models**", models.answer)
    page.add_init_script(MODEL_EVENTS)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.locator(".p-picker").click()
    expect(page.get_by_role("option")).to_have_count(len(models.items))
    return page


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["ready", "ready", "damaged", "loading…", "98 MB", "needs 4.9 GB, 3.1 GB free"]),
        ("zh", ["可用", "可用", "文件已损坏", "加载中……", "98 MB", "需要 4.9 GB，可用 3.1 GB"]),
    ],
)
def test_states_in_words(server: ServerProcess, open_page: OpenPage, language: str, expected: list[str]) -> None:
    models = Models()
    page = opened(open_page(server.url, language), models)
    assert page.locator(".p-model-state").all_inner_texts() == expected
    expect(page.get_by_role("option", selected=True)).to_contain_text("Here")
    expect(page.locator(".p-model-panel")).to_contain_text("About here.")


def test_click_chooses_for_the_next_conversation(server: ServerProcess, open_page: OpenPage) -> None:
    models = Models()
    page = opened(open_page(server.url), models)
    page.get_by_role("option", name="Other").click()
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(page.locator(".p-picker-title")).to_have_text("Other")
    expect(page.locator(".p-picker")).to_be_focused()
    assert models.calls == []


def test_click_switches_an_open_conversation(server: ServerProcess, open_page: OpenPage) -> None:
    made = server.http.post("/api/conversations", json={"title": "x"}).json()["id"]
    page = open_page(f"{server.url}/?c={made}")
    changes: list[Any] = []

    def patched(route: Route) -> None:
        if route.request.method != "PATCH":
            return route.continue_()
        changes.append(route.request.post_data_json)
        return route.fulfill(json={})

    page.route(f"**/api/conversations/{made}", patched)
    opened(page, Models()).get_by_role("option", name="Other").click()
    expect(page.get_by_role("listbox")).to_have_count(0)
    seen(page, changes)
    assert changes == [{"model_id": "other"}]


def test_fetch_shows_progress_and_can_be_cancelled(server: ServerProcess, open_page: OpenPage) -> None:
    models = Models()
    page = opened(open_page(server.url), models)
    page.get_by_role("option", name="Absent").click()
    page.get_by_role("button", name="Download 98 MB").click()
    models.items[2] |= {"state": "fetching", "progress": {"done_bytes": 40, "total_bytes": 100}}
    expect(page.get_by_role("option", name="Absent").locator(".p-model-state")).to_have_text("downloading 40%")
    assert page.get_by_role("progressbar").evaluate("(bar) => bar.value") == 0.4
    page.get_by_role("button", name="Cancel download").click()
    expect(page.get_by_role("button", name="Download 98 MB")).to_be_visible()
    assert models.calls == ["POST /absent/pull", "DELETE /absent/pull"]


def test_fetched_in_the_background_offers_itself(server: ServerProcess, open_page: OpenPage) -> None:
    models = Models()
    page = opened(open_page(server.url), models)
    page.get_by_role("option", name="Absent").click()
    page.get_by_role("button", name="Download 98 MB").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.keyboard.press("Escape")
    models.items[2] |= {"state": "ready"}
    page.locator(".p-toast").get_by_role("button", name="Use this model").click()
    expect(page.locator(".p-picker-title")).to_have_text("Absent")


def test_a_failed_fetch_is_told_in_place(server: ServerProcess, open_page: OpenPage) -> None:
    models = Models()
    models.items[2]["error"] = {"code": "fetch_failed", "message": "offline", "details": {}}
    page = opened(open_page(server.url), models)
    page.get_by_role("option", name="Absent").click()
    expect(page.locator(".p-model-panel [role=alert]")).to_contain_text("Check your internet connection")


def test_honest_about_languages_and_memory(server: ServerProcess, open_page: OpenPage) -> None:
    page = opened(open_page(server.url, "zh"), Models())
    page.get_by_role("listbox").press("ArrowDown")
    expect(page.locator(".p-model-warning")).to_have_text("只支持英语。")
    page.keyboard.press("End")
    expect(page.locator(".p-model-warning")).to_contain_text("内存")


def test_models_are_grouped_and_the_most_suitable_one_to_fetch_comes_first(
    server: ServerProcess, open_page: OpenPage
) -> None:
    models = Models()
    models.items += [
        model("english", "not_fetched", languages=["en"], memory_bytes=100_000_000),
        model("small", "not_fetched", memory_bytes=200_000_000),
        model("coming", "fetching", memory_bytes=150_000_000, progress={"done_bytes": 1, "total_bytes": 2}),
    ]
    page = opened(open_page(server.url, "zh"), models)
    assert page.locator(".p-models-heading").all_inner_texts() == ["本机模型", "可下载"]
    group = page.get_by_role("group", name="可下载")
    expect(group.locator(".p-model-title")).to_have_text(["Coming", "Small", "Absent", "English", "Huge"])
    page.get_by_role("listbox").press("End")
    expect(page.get_by_role("listbox")).to_have_attribute("aria-activedescendant", "parley-model-huge")


def test_without_any_model_the_most_suitable_one_is_offered(server: ServerProcess, open_page: OpenPage) -> None:
    models = Models()
    models.items = [
        model("huge", "not_fetched", fits=False, memory_bytes=40_000_000_000),
        model("english", "not_fetched", languages=["en"], memory_bytes=100_000_000),
        model("small", "not_fetched", memory_bytes=200_000_000),
    ]
    page = open_page(server.url, "zh")
    page.route("**/api/models**", models.answer)
    page.add_init_script(MODEL_EVENTS)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.get_by_role("button", name="下载 Small（98 MB）").click()
    seen(page, models.calls)
    assert models.calls == ["POST /small/pull"]


def test_of_a_model_to_fetch_every_precision_is_told(server: ServerProcess, open_page: OpenPage) -> None:
    rest = {"state": "not_fetched", "error": None, "why": "chosen", "weights_bytes": 2e9, "cache_bytes": 1e9}
    ways = [
        {"name": "q4_0", "id": "llama", "memory_bytes": 2.9e9, "fits": True, "default": True, **rest},
        {"name": "none", "id": "llama@none", "memory_bytes": 14e9, "fits": False, "default": False, **rest},
    ]
    ways[0]["why"] = "smallest_gguf"
    models = Models()
    models.items.append(model("llama", "not_fetched", quantizations=ways, memory_bytes=2.9e9, size_bytes=int(13.5e9)))
    page = opened(open_page(server.url), models)
    page.get_by_role("option", name="Llama").click()
    told = [" ".join(text.split()) for text in page.locator(".p-choices .p-segments .p-choice").all_inner_texts()]
    assert told == ["q4_0 2.9 GB fits", "original 14 GB 3.1 GB free"]
    assert page.locator(".p-choices .p-segments input:enabled").count() == 0
    first = page.locator(".p-choices .p-segments .p-choice").first
    expect(first).to_have_attribute("title", "Weights 2 GB, KV cache 1 GB")
    expect(page.locator(".p-model-panel")).to_contain_text("runs in llama.cpp, the fastest on this computer")
    expect(page.get_by_role("button", name="Download 14 GB")).to_be_enabled()


def test_keyboard(server: ServerProcess, open_page: OpenPage) -> None:
    """Enter chooses what is here; of what isn't it only goes to the button."""
    models = Models()
    page = opened(open_page(server.url), models)
    expect(page.get_by_role("listbox")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("listbox")).to_have_attribute("aria-activedescendant", "parley-model-absent")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Download 98 MB")).to_be_focused()
    assert models.calls == []
    page.wait_for_timeout(1500)  # the list is drawn again each second
    expect(page.get_by_role("button", name="Download 98 MB")).to_be_focused()
    page.get_by_role("listbox").press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".p-picker-title")).to_have_text("Other")


def test_the_list_is_followed_only_while_it_matters(server: ServerProcess, open_page: OpenPage) -> None:
    models = Models()
    models.items = models.items[:4]  # nothing is loading
    page = opened(open_page(server.url), models)
    page.keyboard.press("Escape")
    page.wait_for_timeout(1500)
    listings = models.listings
    page.wait_for_timeout(2500)
    assert models.listings == listings


def test_on_a_phone(server: ServerProcess, open_page: OpenPage) -> None:
    page = opened(open_page(server.url, size=PHONE), Models())
    box = page.locator(".p-picker-box").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    assert box["y"] + box["height"] <= PHONE[1]
    heights = page.locator(".p-model, .p-picker, .p-model-foot button").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect().height)"
    )
    assert min(heights) >= 44


def test_in_a_low_window_several_models_are_shown(server: ServerProcess, open_page: OpenPage) -> None:
    """As on a laptop at 200 % zoom: the list has the whole height, beside what it says of the chosen model."""
    models = Models()
    models.items += [model(f"model{n}", "not_fetched", memory_bytes=100_000_000) for n in range(6)]
    page = opened(open_page(server.url, size=(640, 400)), models)
    places = page.locator(".p-model").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().bottom)")
    assert sum(bottom < 400 for bottom in places) >= 4
    box = page.locator(".p-picker-box").bounding_box()
    assert box is not None
    assert (box["y"] >= 0, box["y"] + box["height"] <= 400) == (True, True)
