"""The list of conversations, by hand and by keyboard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, OpenPage, ask, finished, scripted, until
from tests.support.processes import ServerProcess

DROP = """([name, ...files]) => {
  const dragged = new DataTransfer();
  for (const [file, text, type] of files) dragged.items.add(new File([text], file, { type }));
  const target = document.querySelector("#parley-input");
  target.dispatchEvent(new DragEvent(name, { dataTransfer: dragged, bubbles: true, cancelable: true }));
}"""
CHAT = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": None}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("list")) as running:
        yield running


@pytest.fixture
def ids(server: ServerProcess) -> list[str]:
    """Three conversations, the oldest first, and nothing else."""
    while found := server.http.get("/api/conversations?limit=200").json()["items"]:
        for one in found:
            server.http.delete(f"/api/conversations/{one['id']}")
    return [
        server.http.post("/api/conversations", json={"title": title}).json()["id"]
        for title in ("Lentil soup", "如何煮面条", "Fourier transform")
    ]


def titles(page: Page) -> list[str]:
    return page.locator(".p-row-title").all_inner_texts()


def menu(page: Page, title: str, entry: str) -> None:
    row = page.locator(".p-row", has_text=title)
    row.hover()
    row.locator(".p-row-menu").click()
    page.get_by_role("menuitem", name=entry).click()


def test_at_midnight_today_becomes_yesterday(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    """In a page that stays open, in the list and beside the messages."""
    page = open_page(server.url)
    ask(page, "late")
    finished(page)
    page.clock.install(time=datetime.now().replace(hour=23, minute=59, second=30))
    page.reload()
    time = page.locator(".p-reply time")
    expect(time).to_have_text(re.compile(r"^[\d:]+ [AP]M$"))
    assert page.locator(".p-group-name").all_inner_texts() == ["Today"]
    page.clock.run_for(90_000)
    expect(page.locator(".p-group-name")).to_have_text(["Yesterday"])
    expect(time).to_have_text(re.compile(r"^[A-Z]"))


def test_groups_open_and_current(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    page = open_page(server.url)
    expect(page.locator(".p-row")).to_have_count(3)
    assert page.locator(".p-group-name").all_inner_texts() == ["Today"]
    assert titles(page) == ["Fourier transform", "如何煮面条", "Lentil soup"]
    page.get_by_role("link", name="Lentil soup").click()
    expect(page).to_have_url(re.compile(f"c={ids[0]}"))
    expect(page.locator(".p-row-link[aria-current=page]")).to_have_text("Lentil soup")
    page.locator(".p-new").click()
    expect(page.locator(".p-row-link[aria-current]")).to_have_count(0)
    expect(page.locator(".p-hero")).to_be_visible()


def test_pin_keeps_focus_and_moves_the_row(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    page = open_page(server.url)
    with page.expect_response(lambda response: response.request.method == "PATCH"):  # it is shown before it is stored
        menu(page, "Lentil soup", "Pin")
    expect(page.locator(".p-group-name")).to_have_text(["Pinned", "Today"])
    assert titles(page)[0] == "Lentil soup"
    expect(page.locator(".p-row", has_text="Lentil soup").locator(".p-row-menu")).to_be_focused()
    assert server.http.get(f"/api/conversations/{ids[0]}").json()["pinned"] is True
    menu(page, "Lentil soup", "Unpin")
    expect(page.locator(".p-group-name")).to_have_text(["Today"])


def test_rename_in_place(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.locator(".p-row-link").first.focus()
    page.keyboard.press("F2")
    page.keyboard.type("Waves")
    page.keyboard.press("Enter")
    expect(page.locator(".p-row-title").first).to_have_text("Waves")
    expect(page.locator(".p-row-link").first).to_be_focused()
    until(page, "() => fetch('/api/conversations').then((r) => r.json()).then((l) => l.items[0].title === 'Waves')")
    page.keyboard.press("F2")
    page.keyboard.type("never mind")
    page.keyboard.press("Escape")
    expect(page.locator(".p-row-title").first).to_have_text("Waves")


def test_delete_by_key_and_undo(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/?c={ids[2]}")
    page.locator(".p-row-link").first.focus()
    page.keyboard.press("Delete")
    expect(page.locator(".p-row")).to_have_count(2)
    expect(page.locator(".p-hero")).to_be_visible()  # what was open is gone
    expect(page.locator(".p-toast")).to_contain_text("Fourier transform")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".p-row-title").first).to_have_text("Fourier transform")
    expect(page).to_have_url(re.compile(f"c={ids[2]}"))


def test_search_finds_two_chinese_characters(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    page = open_page(server.url, "zh")
    page.get_by_role("searchbox").fill("面条")
    expect(page.locator(".p-row")).to_have_count(1)
    expect(page.locator(".p-row mark")).to_have_text("面条")
    page.get_by_role("searchbox").fill("没有这个")
    expect(page.locator(".p-list-note")).to_contain_text("没有这个")
    page.keyboard.press("Escape")
    expect(page.locator(".p-row")).to_have_count(3)
    expect(page.locator(".p-group-name")).to_have_text(["今天"])


def test_half_typed_characters_do_not_search(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    page = open_page(server.url)
    expect(page.locator(".p-row")).to_have_count(3)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "q=" in request.url else None)
    page.evaluate(
        """() => {
            const field = document.querySelector(".p-search-field");
            field.value = "mian";
            field.dispatchEvent(new InputEvent("input", { isComposing: true }));
        }"""
    )
    page.wait_for_timeout(400)
    assert asked == []
    page.evaluate(
        """() => {
            const field = document.querySelector(".p-search-field");
            field.value = "面条";
            field.dispatchEvent(new CompositionEvent("compositionend"));
        }"""
    )
    expect(page.locator(".p-row")).to_have_count(1)


def test_arrows_move_and_one_tab_stop(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    page = open_page(server.url)
    expect(page.locator(".p-row")).to_have_count(3)
    page.get_by_role("searchbox").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="如何煮面条")).to_be_focused()
    assert page.locator('.p-row-link[tabindex="0"]').all_inner_texts() == ["如何煮面条"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("menu")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"c={ids[1]}"))


def test_export_and_import(server: ServerProcess, ids: list[str], open_page: OpenPage, tmp_path: Path) -> None:
    server.http.post(f"/api/conversations/{ids[0]}/messages", json={"content": "How?", "parent_id": None})
    page = open_page(server.url)
    expect(page.locator(".p-row")).to_have_count(3)
    with page.expect_download() as download:
        menu(page, "Lentil soup", "Export as JSON")
    path = tmp_path / "chat.json"
    download.value.save_as(path)
    assert json.loads(path.read_text())["conversation"]["title"] == "Lentil soup"
    page.locator(".p-sidebar input[type=file]").set_input_files(path)
    expect(page.locator(".p-row")).to_have_count(4)
    expect(page.locator(".p-title")).to_have_text("Lentil soup")
    path.write_text("not JSON")
    page.locator(".p-sidebar input[type=file]").set_input_files(path)
    expect(page.locator(".p-toast").last).to_contain_text("can't be imported")


def test_files_are_dropped_anywhere(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    many = json.dumps([{**CHAT, "title": f"Dropped {n}"} for n in range(3)] + [{"title": "Bad one"}])
    cover = page.locator(".p-drop")
    expect(cover).to_be_hidden()
    page.evaluate(DROP, ["dragover", ["x.png", "", "image/png"]])
    expect(cover).to_contain_text("can't be imported")
    page.evaluate(DROP, ["dragover", ["x.json", "", "application/json"]])
    expect(cover).to_contain_text("Drop to import")
    files = [["many.json", many, "application/json"], ["x.png", "", "image/png"]]
    page.evaluate(DROP, ["drop", *files])
    expect(cover).to_be_hidden()
    toast = page.locator(".p-toast", has_text="Imported 3 chats; 3 messages were left out, 1 chat was skipped, 1 file")
    expect(toast).to_be_visible()
    expect(page.locator(".p-row", has_text="Dropped")).to_have_count(3)
    toast.get_by_role("button", name="Details").click()
    details = page.get_by_role("dialog", name="Import")
    for text in ("Messages without text: 3", "Skipped: Bad one (no messages with text)", "“x.png” can't be imported"):
        expect(details).to_contain_text(text)


def test_all_chats_are_exported_and_come_back(
    server: ServerProcess, ids: list[str], open_page: OpenPage, tmp_path: Path
) -> None:
    for given in ids:
        server.http.post(f"/api/conversations/{given}/messages", json={"content": "How?", "parent_id": None})
    page = open_page(server.url)
    expect(page.locator(".p-row")).to_have_count(len(ids))
    with page.expect_download() as download:
        page.get_by_role("link", name="Export all chats").click()
    path = tmp_path / "chats.zip"
    download.value.save_as(path)
    page.locator(".p-sidebar input[type=file]").set_input_files(path)
    expect(page.locator(".p-toast").last).to_contain_text("Imported")
    expect(page.locator(".p-row")).to_have_count(2 * len(ids))


def test_more_comes_while_scrolling(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    for i in range(50):
        server.http.post("/api/conversations", json={"title": f"Chat {i}"})
    page = open_page(server.url)
    expect(page.locator(".p-row")).to_have_count(40)
    page.locator(".p-row").last.scroll_into_view_if_needed()
    expect(page.locator(".p-row")).to_have_count(53)
    assert len(set(titles(page))) == 53


def test_another_tab_shows_up(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    page = open_page(f"{server.url}/?c={ids[0]}")
    expect(page.locator(".p-row")).to_have_count(3)
    page.evaluate("document.querySelector('.p-row-link').dataset.kept = 'yes'")
    server.http.patch(f"/api/conversations/{ids[0]}", json={"title": "Named elsewhere"})
    expect(page.locator(".p-row-title").last).to_have_text("Named elsewhere")
    expect(page.locator(".p-row-link").first).to_have_attribute("data-kept", "yes")  # patched, not built anew


def test_titles_are_text(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    title = "<img src=x onerror=alert(1)>"
    server.http.patch(f"/api/conversations/{ids[0]}", json={"title": title})
    page = open_page(server.url)
    expect(page.locator(".p-row-title").last).to_have_text(title)
    page.get_by_role("searchbox").fill("onerror")
    expect(page.locator(".p-row mark")).to_have_text("onerror")
    expect(page.locator("img[src=x]")).to_have_count(0)


def test_empty(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    for one in ids:
        server.http.delete(f"/api/conversations/{one}")
    page = open_page(server.url)
    expect(page.locator(".p-list-note")).to_contain_text("No chats yet")


def test_on_a_phone(server: ServerProcess, ids: list[str], open_page: OpenPage) -> None:
    page = open_page(server.url, size=PHONE)
    page.get_by_role("button", name="Open the chat list").click()
    small = page.evaluate(
        """() => [...document.querySelectorAll("#parley-sidebar :is(button, a, .p-search)")]
            .filter((e) => e.offsetParent)
            .map((e) => [e.className, e.getBoundingClientRect()])
            .filter(([_, box]) => box.height < 44 || box.width < 44)"""
    )
    assert small == []
    page.get_by_role("link", name="Lentil soup").click()
    expect(page.locator("#parley-sidebar")).not_to_be_in_viewport()
    expect(page.locator(".p-title")).to_have_text("Lentil soup")


def test_another_version_is_shown_without_reloading_the_list(server: ServerProcess, open_page: OpenPage) -> None:
    """In none of the tabs that show the conversation."""
    one = open_page(server.url)
    ask(one, "first")
    finished(one)
    one.locator("[data-act=regenerate]").click()
    expect(one.locator(".p-versions span")).to_have_text("2/2")
    finished(one)
    two = open_page(one.url, beside=one)
    expect(two.locator(".p-versions span")).to_have_text("2/2")
    two.wait_for_timeout(300)
    asked: list[str] = []
    for page in (one, two):
        page.on("request", lambda request: asked.append(request.url) if "/api/conversations?" in request.url else None)
    with one.expect_response(lambda response: response.request.method == "PATCH"):
        one.locator(".p-versions button").first.click()
    expect(one.locator(".p-versions span")).to_have_text("1/2")
    one.wait_for_timeout(500)
    assert asked == []
