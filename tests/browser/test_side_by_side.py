"""Replies side by side: asked for, hidden, chosen by click and key, ranked by drag and keys, changed, withdrawn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.comparisons import (
    by_position,
    choice,
    compared,
    comparing,
    line,
    model_at,
    ranking,
    reopened,
    stored,
)
from tests.browser.conftest import PHONE, WIDE, OpenPage, ask, finished, scripted, until
from tests.browser.steady import press, taken
from tests.support.processes import ServerProcess
from tests.support.servers import scripted_settings

NAMES = {"Scripted test", "Scripted other"}
LONG = "one two three four five six seven eight nine ten " * 6


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("side_by_side")
    scripted_settings(folder, ("test", "other"))
    with scripted(folder) as running:
        yield running


# --- two replies ---------------------------------------------------------------------------------


def test_two_models_are_compared_blind_and_named_once_one_is_chosen(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    toggle = page.locator("[data-act=compare_next]")
    toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".p-compare .p-picker")).to_contain_text("Scripted other")
    ask(page, "Hello there")
    columns = page.locator(".p-contender")
    expect(columns).to_have_count(2)
    expect(choice(page, "left")).to_be_enabled()
    assert [column.inner_text().split() for column in columns.all()] == [
        [letter, "You", "said:", "Hello", "there"] for letter in "AB"
    ]
    left, right = (column.bounding_box() or {} for column in columns.all())
    assert left["y"] == right["y"]
    assert right["x"] >= left["x"] + left["width"]
    told = page.locator(".p-comparison").evaluate(
        "(element) => [...element.querySelectorAll('*')].map((one) => one.ariaLabel ?? one.title ?? '').join(' ')"
    )
    assert not any(name in told for name in NAMES)

    choice(page, "right").click()
    expect(page.locator(".p-comparison")).to_have_count(0)
    chosen = ranking(server, page)
    assert (by_position(chosen), chosen["blind"], chosen["source"]) == ([2, 1], True, "side_by_side")
    winner, loser = model_at(server, page, 1), model_at(server, page, 0)
    assert {winner, loser} == NAMES
    expect(line(page)).to_contain_text(f"You preferred B ({winner}) over A ({loser}).")
    expect(page.locator(".p-reply .p-author-name")).to_have_text([winner])
    until_leaf(server, page, chosen["items"][0]["message_id"])

    reopened(page)
    expect(line(page)).to_contain_text(f"You preferred B ({winner}) over A ({loser}).")
    expect(page.locator(".p-reply .p-author-name")).to_have_text([winner])
    expect(page.locator(".p-reply .p-versions")).to_contain_text("/2")
    expect(page.locator("[data-act=compare_next]")).to_have_attribute("aria-pressed", "true")  # kept in the browser


def until_leaf(server: ServerProcess, page: Page, wanted: str) -> None:
    for _ in range(100):
        if stored(server, page)["leaf_id"] == wanted:
            return
        page.wait_for_timeout(50)
    raise AssertionError("the winner is not the conversation's branch")


@pytest.mark.parametrize(
    ("key", "ranks", "both_bad"),
    [("ArrowLeft", [1, 2], False), ("ArrowRight", [2, 1], False), ("t", [1, 1], False), ("n", [None, None], True)],
)
def test_keys_choose_at_once(
    server: ServerProcess, open_page: OpenPage, key: str, ranks: list[int | None], both_bad: bool
) -> None:
    """Arrows from the empty box, where the focus is; letters only among the replies, since one may begin a message."""
    page = compared(open_page(server.url))
    expect(page.locator("#parley-input")).to_be_focused()
    if key in "tn":
        page.locator(".p-comparison").focus()
    page.keyboard.press(key)
    expect(line(page)).to_be_visible()
    expect(page.locator("#parley-input")).to_be_focused()
    chosen = ranking(server, page)
    assert (by_position(chosen), chosen["both_bad"]) == (ranks, both_bad)
    if key in "tn":
        expect(page.locator(".p-reply .p-author-name")).to_have_text(model_at(server, page, 0))


def test_what_is_typed_chooses_nothing(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url))
    page.keyboard.type("Now that")  # at once, where the focus is after asking
    expect(page.locator("#parley-input")).to_have_value("Now that")
    page.keyboard.press("ArrowLeft")
    page.locator("[data-act=compare_next]").focus()
    page.keyboard.press("t")
    page.locator(".p-comparison").focus()
    page.keyboard.press("Control+ArrowRight")
    page.locator(".p-compare .p-picker").click()  # a dialog with a list, in which arrows move
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.locator(".p-contender")).to_have_count(2)
    assert ranking(server, page, is_open=True)


def test_a_choice_is_sent_once(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url))
    sent: list[str] = []
    page.on("request", lambda request: request.url.endswith("/api/rankings") and sent.append(request.url))
    choice(page, "left").dblclick()
    expect(line(page)).to_be_visible()
    ranking(server, page)
    page.wait_for_timeout(300)
    assert len(sent) == 1


def test_a_choice_that_is_not_stored_is_told_and_can_be_made_again(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url))
    page.route("**/api/rankings", lambda route: route.abort())
    choice(page, "left").click()
    expect(page.locator(".p-toast")).to_be_visible()
    expect(page.locator(".p-contender")).to_have_count(2)
    page.unroute("**/api/rankings")
    choice(page, "left").click()
    expect(line(page)).to_be_visible()
    assert by_position(ranking(server, page)) == [1, 2]


def test_a_comparison_is_there_after_a_reload(server: ServerProcess, open_page: OpenPage) -> None:
    """Also while it is being written: in the same places, still nameless."""
    page = comparing(open_page(server.url))
    ask(page, LONG)
    page.locator(".p-contender [data-block]").first.wait_for()
    expect(choice(page, "left")).to_be_disabled()
    reopened(page)
    expect(page.locator(".p-contender")).to_have_count(2)
    expect(choice(page, "left")).to_be_enabled(timeout=30_000)
    reopened(page)
    expect(choice(page, "left")).to_be_enabled()
    assert not any(name in page.locator(".p-comparison").inner_text() for name in NAMES)
    shown = page.locator(".p-contender .p-message").evaluate_all("(all) => all.map((one) => one.dataset.id)")
    items = ranking(server, page, is_open=True)["items"]
    assert shown == [x["message_id"] for x in sorted(items, key=lambda x: x["position"])]


def test_stop_ends_all_replies_and_stopped_ones_can_be_compared(server: ServerProcess, open_page: OpenPage) -> None:
    page = comparing(open_page(server.url))
    ask(page, LONG)
    expect(page.locator(".p-contender [data-block]")).to_have_count(2)
    page.locator(".p-send").click()
    expect(page.locator(".p-contender [data-state=cancelled]")).to_have_count(2)
    expect(page.locator(".p-contender button:visible")).to_have_count(0)  # "Continue" comes with the choice
    choice(page, "tie").click()
    expect(line(page)).to_contain_text("equally good")
    expect(page.locator(".p-note button")).to_be_visible()


def test_a_choice_is_changed_and_withdrawn(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url))
    choice(page, "left").click()
    ranking(server, page)
    page.locator("[data-act=change]").click()
    heads = page.locator(".p-contender-name").all_inner_texts()
    assert heads == [model_at(server, page, 0), model_at(server, page, 1)]  # known by now
    expect(choice(page, "left")).to_have_attribute("aria-pressed", "true")
    with page.expect_response("**/api/rankings"):  # the choice is shown before it is stored
        choice(page, "both_bad").click()
    expect(line(page)).to_contain_text("neither")
    assert ranking(server, page)["both_bad"]
    page.locator("[data-act=withdraw]").click()
    expect(line(page).locator("button")).to_have_count(0)
    page.locator(".p-toast button").wait_for()
    assert stored(server, page)["rankings"] == []
    page.locator(".p-toast button").click()
    expect(line(page)).to_contain_text("neither")
    assert [x["position"] for x in ranking(server, page)["items"]] == [0, 1]
    page.locator("[data-act=withdraw]").click()
    expect(page.locator(".p-toast").last).to_be_visible()
    reopened(page)
    expect(page.locator(".p-reply")).to_be_visible()
    expect(page.locator(".p-verdict-line, .p-comparison")).to_have_count(0)


def test_skipping_keeps_the_left_reply_and_stores_no_choice(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url))
    name = model_at(server, page, 0)
    page.locator(".p-verdict-foot button").last.click()
    expect(page.locator(".p-reply .p-author-name")).to_have_text([name])
    for _ in range(50):
        if not stored(server, page)["rankings"]:
            break
        page.wait_for_timeout(50)
    reopened(page)
    expect(page.locator(".p-reply .p-author-name")).to_have_text([name])
    expect(page.locator(".p-verdict-line, .p-comparison")).to_have_count(0)


def test_asking_on_without_a_choice_follows_the_left_reply(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url))
    expect(page.locator(".p-hint")).to_contain_text("follow reply A")
    left = page.locator(".p-contender .p-message").first.get_attribute("data-id")
    page.locator("[data-act=compare_next]").click()
    ask(page, "And then?")
    assert "And then?" in finished(page)
    found = stored(server, page)
    assert [m["parent_id"] for m in found["messages"] if m["content"] == "And then?"] == [left]
    assert found["rankings"] == []


def test_an_earlier_question_is_answered_again(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    ask(page, "Hello there")
    finished(page)
    page.locator(".p-question").hover()
    page.locator(".p-question [data-act=compare]").click()
    page.get_by_role("menuitem", name="Compare Scripted test with Scripted other").click()
    expect(page.locator(".p-contender")).to_have_count(2)
    page.locator("[data-act=choose_left]:enabled").click()
    expect(line(page)).to_be_visible()
    expect(page.locator(".p-reply .p-versions")).to_contain_text("/3")
    page.locator(".p-question").hover()
    page.locator(".p-question [data-act=compare]").click()
    page.get_by_role("menuitem", name="three").click()
    expect(page.locator(".p-order-row")).to_have_count(3)
    expect(page.locator(".p-verdict-foot button").last).to_be_enabled()
    page.locator(".p-question").hover()
    page.locator(".p-question [data-act=compare]").click()  # again, while the three wait: they are skipped
    page.get_by_role("menuitem", name="Compare Scripted test").click()
    expect(page.locator(".p-contender")).to_have_count(2)
    expect(choice(page, "left")).to_be_enabled()
    waiting = ranking(server, page, is_open=True, count=2)
    assert len(waiting["items"]) == 2


def test_another_model_to_compare_with_is_chosen_from_the_list(server: ServerProcess, open_page: OpenPage) -> None:
    page = comparing(open_page(server.url), on=False)
    ask(page, "Hello there")
    finished(page)
    page.locator(".p-question").hover()
    page.locator(".p-question [data-act=compare]").click()
    page.get_by_role("menuitem", name="Choose another model").click()
    page.locator(".p-picker-box .p-model[data-model=other]").click()
    expect(page.locator(".p-picker-box")).to_have_count(0)
    expect(page.locator("[data-act=compare_next]")).to_contain_text("vs Scripted other")
    expect(page.locator(".p-composer .p-picker")).to_contain_text("Scripted test")  # the chat's own stays


def test_a_second_model_that_is_the_first_is_refused_in_words(server: ServerProcess, open_page: OpenPage) -> None:
    page = comparing(open_page(server.url), second="test")
    expect(page.locator(".p-compare-warning")).to_contain_text("Both models are the same")
    ask(page, "Hello there")
    expect(page.locator(".p-alert:visible")).to_contain_text("Both models are the same")
    expect(page.locator("#parley-input")).to_have_value("Hello there")
    expect(page.locator(".p-question")).to_have_count(0)


def test_two_settings_are_named_by_what_differs(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url), mode="settings", settings="hottest")
    choice(page, "tie").click()
    expect(line(page)).to_contain_text("Temperature 1.5")
    samplings = [m["provenance"]["sampling"]["temperature"] for m in stored(server, page)["messages"][1:]]
    assert samplings.count(1.5) == 1


# --- how it looks and behaves ---------------------------------------------------------------------


def test_in_chinese_on_a_phone(server: ServerProcess, open_page: OpenPage) -> None:
    """Below each other, with buttons for fingers, and nothing wider than the page."""
    page = compared(open_page(server.url, "zh", PHONE))
    above, below = (column.bounding_box() or {} for column in page.locator(".p-contender").all())
    assert below["y"] > above["y"] + above["height"] - 1
    expect(page.locator(".p-verdict-status")).to_have_text("哪个回答更好？")
    expect(page.get_by_role("button", name="都不好", exact=True)).to_be_visible()
    for button in page.locator(":is(.p-verdict, .p-compare) :is(select, button, label):visible").all():
        assert (button.bounding_box() or {})["height"] >= 44
    assert page.evaluate("document.querySelector('.p-log').scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('.p-compare-controls').scrollWidth <= innerWidth")
    choice(page, "left").tap()
    expect(line(page)).to_contain_text("更好")
    assert (page.locator("[data-act=withdraw]").bounding_box() or {})["height"] >= 44


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("Short", PHONE, id="short-phone"),
        pytest.param(LONG, WIDE, id="long-wide"),
        pytest.param("Short", WIDE, id="short-wide", marks=pytest.mark.slow),  # these are tried in .ci/run
        pytest.param(LONG, PHONE, id="long-phone", marks=pytest.mark.slow),
    ],
)
def test_nothing_comes_under_the_pointer(
    server: ServerProcess, open_page: OpenPage, text: str, size: tuple[int, int]
) -> None:
    page = open_page(server.url, size=size)
    page.locator("[data-act=compare_next]").hover()
    press(page, page.locator("[data-act=compare_next]"))
    assert taken(page) == []
    ask(page, text)
    expect(choice(page, "left")).to_be_enabled(timeout=30_000)
    for name in ("left", "tie", "both_bad", "right"):
        press(page, choice(page, name))
        expect(line(page)).to_be_visible()
        assert taken(page) == []
        press(page, page.locator("[data-act=change]"))
        expect(page.locator(".p-contender")).to_have_count(2)
        assert taken(page) == []
    press(page, page.locator(".p-verdict-foot button").last)
    expect(line(page)).to_be_visible()
    assert taken(page) == []
    press(page, page.locator("[data-act=withdraw]"))
    expect(line(page).locator("button")).to_have_count(0)
    assert taken(page) == []
    press(page, page.locator("[data-act=compare_next]"))
    assert taken(page) == []


def test_a_second_tab_follows(server: ServerProcess, open_page: OpenPage) -> None:
    page = compared(open_page(server.url))
    other = open_page(page.url, beside=page)
    expect(choice(other, "right")).to_be_enabled()
    choice(page, "right").click()
    expect(line(other)).to_contain_text("You preferred B")
    expect(other.locator(".p-comparison")).to_have_count(0)
    ask(other, "And more")
    expect(page.locator(".p-contender")).to_have_count(2)
    until(page, "!document.querySelector('[data-act=choose_left]').disabled")
    names = page.locator(".p-comparison").inner_text()
    assert not any(name in names for name in NAMES)
