"""The settings of a conversation, changed by a person and by other tabs, on a model that repeats what it is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PHONE, OpenPage, ask, finished, scripted, seen
from tests.support.processes import ServerProcess

CREATIVE = {"temperature": 1.1, "top_p": 0.95, "top_k": 100}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("settings")) as running:
        yield running


@pytest.fixture
def conversation(server: ServerProcess) -> str:
    return str(server.http.post("/api/conversations", json={"title": "settings"}).json()["id"])


def stored(server: ServerProcess, conversation: str) -> dict[str, Any]:
    return dict(server.http.get(f"/api/conversations/{conversation}").json())


def until_stored(page: Page, server: ServerProcess, conversation: str, sampling: dict[str, Any]) -> None:
    """Wait until the chat has these sampling parameters: what was shown as saved may be the change before."""
    for _ in range(100):
        if stored(server, conversation)["sampling"] == sampling:
            return
        page.wait_for_timeout(50)
    assert stored(server, conversation)["sampling"] == sampling


def opened(server: ServerProcess, conversation: str, open_page: OpenPage, *arguments: Any, **options: Any) -> Page:
    """A page with its settings open."""
    page = open_page(f"{server.url}/?c={conversation}", *arguments, **options)
    page.locator("[data-act=settings]").click()
    page.locator(".p-settings > .p-settings-form:not([inert])").wait_for()  # the chat's settings are loaded
    return page


def test_late_answers_bring_no_older_settings_back(
    server: ServerProcess, conversation: str, open_page: OpenPage
) -> None:
    page = opened(server, conversation, open_page)
    asked: list[Any] = []

    def slowly(route: Route) -> None:
        if route.request.method == "PATCH":
            asked.append(route.request.post_data_json)
            time.sleep(0.4)
        route.continue_()

    page.route(f"**/api/conversations/{conversation}", slowly)
    page.fill("#parley-system-prompt", "Answer in one word.")
    page.locator("#parley-preset label").nth(2).click()
    page.locator("#parley-max_new_tokens input[type=number]").fill("100")
    page.keyboard.press("Tab")
    expect(page.locator(".p-settings-status")).to_have_text("Saved for this chat.")
    found = stored(server, conversation)
    assert (found["system_prompt"], found["sampling"]) == ("Answer in one word.", CREATIVE | {"max_new_tokens": 100})
    assert len(asked) <= 3
    expect(page.locator("#parley-preset input").nth(2)).to_be_checked()
    expect(page.locator("#parley-max_new_tokens input[type=number]")).to_have_value("100")


def test_another_tab_s_change_arrives_and_takes_no_text_away(
    server: ServerProcess, conversation: str, open_page: OpenPage
) -> None:
    page = opened(server, conversation, open_page)
    box = page.locator("#parley-system-prompt")
    box.press_sequentially("Half a sen")
    changes = {"system_prompt": "Another.", "sampling": {"temperature": 1.5}}
    server.http.patch(f"/api/conversations/{conversation}", json=changes)
    expect(page.locator("#parley-temperature input[type=number]")).to_have_value("1.5")
    expect(box).to_have_value("Half a sen")
    box.press_sequentially("tence.")
    box.blur()
    expect(page.locator(".p-settings-status")).to_have_text("Saved for this chat.")
    found = stored(server, conversation)
    assert (found["system_prompt"], found["sampling"]) == ("Half a sentence.", {"temperature": 1.5})


def test_what_makes_no_sense_is_told_in_place_and_not_saved(
    server: ServerProcess, conversation: str, open_page: OpenPage
) -> None:
    page = opened(server, conversation, open_page)
    page.locator("#parley-advanced summary").click()
    seed = page.locator("#parley-seed")
    seed.fill("12x")
    page.locator("#parley-stop").fill("User:\n###")
    page.keyboard.press("Tab")
    problem = page.locator("#parley-seed-problem")
    expect(problem).to_contain_text("whole number")
    expect(seed).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[data-act=settings]")).to_contain_text("Stop sequences")
    assert stored(server, conversation)["sampling"] == {"stop": ["User:", "###"]}
    page.locator(".p-text-button").click()
    expect(problem).to_contain_text("整数")
    expect(seed).to_have_value("12x")
    page.locator("#parley-reset").click()
    expect(problem).to_be_hidden()
    expect(seed).to_have_value("")
    expect(page.locator("[data-act=settings]")).to_have_text("默认设置")
    expect(page.locator(".p-settings-status")).to_contain_text("已保存")
    until_stored(page, server, conversation, {})


def test_an_unreachable_server_takes_nothing_away(
    server: ServerProcess, conversation: str, open_page: OpenPage
) -> None:
    page = opened(server, conversation, open_page)
    path = f"**/api/conversations/{conversation}"
    page.route(path, lambda route: route.abort())
    page.locator("#parley-preset label").nth(2).click()
    status = page.locator(".p-settings-status")
    expect(status).to_contain_text("can't be reached")
    expect(page.locator("#parley-preset input").nth(2)).to_be_checked()
    page.unroute(path)
    page.fill("#parley-system-prompt", "Be brief.")
    page.keyboard.press("Tab")
    expect(status).to_have_text("Saved for this chat.")
    assert stored(server, conversation)["sampling"] == CREATIVE


def test_every_field_has_a_name_and_fits_a_phone(server: ServerProcess, conversation: str, open_page: OpenPage) -> None:
    page = opened(server, conversation, open_page, "zh", PHONE)
    page.locator("#parley-advanced summary").click()
    for name in ("对话指令", "温度", "回答长度上限", "Top-p", "Top-k", "Min-p", "重复惩罚", "随机种子", "停止词"):
        assert page.locator("#parley-settings").get_by_label(name, exact=True).count() >= 1, name
    assert page.locator("#parley-settings").evaluate("(e) => e.scrollWidth - e.clientWidth") == 0
    controls = "button, summary, input:not(label input), .p-choice, .p-check-row"
    heights = page.locator(f"#parley-settings :is({controls})").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect()).filter((r) => r.width).map((r) => r.height)"
    )
    assert min(heights) >= 44
    page.keyboard.press("Escape")
    expect(page.locator("[data-act=settings]")).to_be_focused()


def test_a_number_out_of_range_is_shown_as_it_is_stored(
    server: ServerProcess, conversation: str, open_page: OpenPage
) -> None:
    page = opened(server, conversation, open_page)
    number = page.locator("#parley-temperature input[type=number]")
    number.fill("9")
    number.press("Enter")
    expect(number).to_have_value("2")  # the box still has the focus
    expect(page.locator(".p-settings-status")).to_have_text("Saved for this chat.")
    assert stored(server, conversation)["sampling"] == {"temperature": 2}
    server.http.patch(f"/api/conversations/{conversation}", json={"sampling": {"temperature": 0.4}})
    expect(number).to_have_value("0.4")  # another tab's change: nothing was being typed


def test_a_refused_change_shows_what_is_stored(server: ServerProcess, conversation: str, open_page: OpenPage) -> None:
    page = opened(server, conversation, open_page)
    number = page.locator("#parley-temperature input[type=number]")
    before = number.input_value()

    def out_of_range(route: Route) -> None:
        route.continue_(post_data={"sampling_changes": {"temperature": 9}})

    page.route(f"**/api/conversations/{conversation}", out_of_range)
    number.fill("1.5")
    number.press("Enter")
    expect(page.locator(".p-settings-status")).to_contain_text("the previous value is back")
    expect(number).to_have_value(before)
    assert stored(server, conversation)["sampling"] == {}


def test_an_edit_while_the_first_message_creates_the_conversation_is_saved(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    page.locator("[data-act=settings]").click()
    waiting: list[Route] = []
    page.route("**/api/conversations", lambda route: waiting.append(route))
    ask(page, "Hello")
    seen(page, waiting)
    page.locator("#parley-preset label").nth(2).click()
    with page.expect_request(lambda request: request.method == "PATCH") as patched:
        waiting[0].continue_()
    assert patched.value.response() is not None
    finished(page)
    expect(page.locator("#parley-preset input").nth(2)).to_be_checked()
    assert stored(server, page.url.partition("c=")[2])["sampling"] == CREATIVE


def test_instructions_that_are_too_long_stay_in_the_box(
    server: ServerProcess, conversation: str, open_page: OpenPage
) -> None:
    page = opened(server, conversation, open_page)
    box = page.locator("#parley-system-prompt")
    box.fill("Be brief.")
    box.blur()
    box.fill("x" * 20_001)
    box.blur()
    expect(page.locator("#parley-system-prompt-problem")).to_contain_text("too long")
    assert len(box.input_value()) == 20_001
    for _ in range(100):
        if stored(server, conversation)["system_prompt"]:
            break
        page.wait_for_timeout(50)
    assert stored(server, conversation)["system_prompt"] == "Be brief."
