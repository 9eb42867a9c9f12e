"""Accounts as people meet them: the login page, one's own account, administration, a shared conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.hostile_markup import PAYLOADS
from tests.support.people import PASSWORD, People, Person
from tests.support.processes import ServerProcess

from .conftest import PHONE, OpenPage, scripted

NEW = "brand-new-kettle-1"


@dataclass
class Parley:
    """A server with an administrator, ann."""

    server: ServerProcess
    people: People
    ann: Person

    @property
    def url(self) -> str:
        return self.server.url

    def invitation(self, role: str = "member") -> str:
        """The address of a new invitation."""
        return self.url + str(self.ann.http.post("/api/links", json={"role": role}).json()["path"])


@pytest.fixture(scope="module")
def parley(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parley]:
    folder = tmp_path_factory.mktemp("accounts")
    with scripted(folder, "--login") as server:
        first = re.search(r"/login#(\S+)", (Path(folder) / "output").read_text())
        assert first is not None
        people = People(server.url, first[1])
        yield Parley(server, people, people.first("ann"))
        people.close()


def sign_in(page: Page, username: str, password: str | None = None) -> None:
    page.locator("[name=username]").fill(username)
    page.locator("[name=password]").fill(password or PASSWORD.format(username))
    page.locator("button.primary").click()


def enter(page: Page, username: str, password: str | None = None) -> None:
    """Sign in, and wait for the page, which takes seconds on a busy machine."""
    sign_in(page, username, password)
    page.wait_for_selector("html[data-ready] #parley-input")


def open_account(page: Page, entry: str | re.Pattern[str]) -> None:
    page.locator(".p-account-button").click()
    page.get_by_role("menuitem", name=entry).click()


def test_somebody_joins_by_an_invitation_in_chinese_on_a_phone(parley: Parley, open_page: OpenPage) -> None:
    link = parley.invitation("guest")
    page = open_page(link, "zh", PHONE, dark=True)
    expect(page.get_by_role("heading", name="创建账号")).to_be_visible()
    assert page.url == f"{parley.url}/login"  # the secret is in no history
    sign_in(page, "li", "12345678")
    expect(page.get_by_role("alert")).to_contain_text("不易被猜到")
    enter(page, "li")
    consent = page.get_by_role("region", name="训练数据")
    consent.get_by_role("button", name="不可以").click()
    expect(consent).to_be_hidden()
    page.locator("[aria-controls=parley-sidebar]").click()
    expect(page.locator(".p-account-name")).to_have_text("li")
    expect(page.get_by_role("button", name="反馈")).to_be_hidden()  # which is for administrators
    expect(page.get_by_role("button", name="导入")).to_be_hidden()  # which guests may not
    open_account(page, "我的账号")
    expect(page.get_by_role("heading", name="登录设备")).to_be_visible()
    expect(page.get_by_role("heading", name="API 密钥")).to_be_hidden()
    again = open_page(link, "zh", PHONE)
    expect(again.get_by_role("alert")).to_contain_text("已使用")
    again.get_by_role("button", name="前往登录页").click()
    expect(again.get_by_role("heading", name="登录")).to_be_visible()


def test_wrong_passwords_are_told_and_the_language_changes(parley: Parley, open_page: OpenPage) -> None:
    page = open_page(parley.url)
    assert page.url.endswith("/login")
    sign_in(page, "nobody", "wrong password")
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is wrong.")
    page.get_by_role("button", name="Switch to Chinese").click()
    expect(page.get_by_role("heading")).to_have_text("登录")
    expect(page.locator("[name=username]")).to_have_value("nobody")
    page.goto(parley.invitation())  # pasted into the address of the page that is open
    expect(page.get_by_role("heading")).to_have_text("创建账号")
    assert page.url == f"{parley.url}/login"


def test_whoever_is_disabled_is_out_and_comes_back_to_the_same_chat(parley: Parley, open_page: OpenPage) -> None:
    bob = parley.people.invite(parley.ann, "member", "bob")
    secret = parley.ann.conversation(title="Ann's secret")
    admin = open_page(parley.url)
    enter(admin, "ann")
    open_account(admin, "People")
    row = admin.locator("[data-user=bob]")
    expect(row).to_contain_text("Member")

    page = open_page(parley.url)
    enter(page, "bob")
    page.locator("#parley-input").fill("hello from Bob")
    page.keyboard.press("Enter")
    expect(page.locator(".p-reply .p-body")).to_contain_text("hello from Bob")
    chat = page.url
    assert "Ann's secret" not in page.content()
    assert bob.http.get(f"/api/conversations/{secret}").status_code == 404
    page.locator("#parley-input").fill("not sent yet")

    row.get_by_role("button", name="Disable").click()
    row.get_by_role("button", name="Really?").click()
    expect(row).to_contain_text("Disabled")
    page.wait_for_url("**/login?next=*")
    row.get_by_role("button", name="Enable").click()
    row.get_by_role("button", name="Really?").click()
    expect(row).not_to_contain_text("Disabled")
    enter(page, "bob")
    page.wait_for_url(chat)
    expect(page.locator("#parley-input")).to_have_value("not sent yet")


def test_a_key_is_made_used_and_revoked_and_the_password_changed(parley: Parley, open_page: OpenPage) -> None:
    parley.people.invite(parley.ann, "member", "carl")
    page = open_page(parley.url)
    enter(page, "carl")
    open_account(page, "My account")
    page.get_by_label("Name of the program").fill("Notes")
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator(".p-shown-once input")).to_be_focused()
    key = page.locator(".p-shown-once input").input_value()
    program = parley.people.nobody(authorization=f"Bearer {key}")
    assert program.get("/v1/models").status_code == 200
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke for good?").click()
    expect(page.get_by_text("The key was revoked.")).to_be_visible()
    assert program.get("/v1/models").status_code == 401
    page.get_by_label("Current password").fill("something else")
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("alert").filter(has_text="The current password is wrong.")).to_be_visible()
    page.get_by_label("Current password").fill(PASSWORD.format("carl"))
    page.get_by_label("New password").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("The password was changed.")).to_be_visible()
    open_account(page, "Sign out")
    page.wait_for_url("**/login")
    enter(page, "carl", NEW)
    expect(page.locator(".p-account-name")).to_have_text("carl")


def test_signing_out_leaves_nothing_to_the_next_person(parley: Parley, open_page: OpenPage) -> None:
    parley.people.invite(parley.ann, "member", "dora")
    page = open_page(parley.url)
    sign_in(page, "dora")
    page.locator("#parley-input").fill("for nobody else")
    other_tab = open_page(parley.url, beside=page)
    expect(other_tab.locator("#parley-input")).to_have_value("for nobody else")
    open_account(page, "Sign out")
    for tab in (page, other_tab):
        tab.wait_for_url("**/login")
    sign_in(page, "ann")
    expect(page.locator(".p-account-name")).to_have_text("ann")
    expect(page.locator("#parley-input")).to_have_value("")


def test_a_shared_chat_is_read_with_its_passcode(parley: Parley, open_page: OpenPage) -> None:
    page = open_page(parley.url)
    enter(page, "ann")
    page.locator("#parley-input").fill("**shared** text")
    page.keyboard.press("Enter")
    expect(page.locator(".p-reply .p-body strong")).to_have_text("shared")
    row = page.locator(".p-row").first
    row.hover()
    row.get_by_role("button").click()
    page.get_by_role("menuitem", name="Share").click()
    page.get_by_label("Passcode").fill("1234")
    page.get_by_role("button", name="Make a link").click()
    link = page.locator(".p-shown-once input").input_value()

    reader = page.context.browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844}).new_page()  # type: ignore[union-attr]
    reader.goto(link)
    reader.get_by_label("口令").fill("1234")
    reader.get_by_role("button", name="查看").click()
    expect(reader.locator("article strong")).to_have_text("shared")
    assert reader.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Withdraw").click()
    page.get_by_role("button", name="Really?").click()
    expect(page.locator(".p-share-box .p-entry")).to_have_count(0)
    reader.goto(link)
    expect(reader.locator("main")).to_contain_text("已撤回")
    reader.context.close()


def test_no_name_runs_a_script(parley: Parley, open_page: OpenPage) -> None:
    """In administration, on the account's own page, in the share box and on the login page; requests are watched."""
    hostile = [text[:100] for text in PAYLOADS]
    notes, keys = hostile[:110], hostile[110:155]
    for note in notes:
        assert parley.ann.http.post("/api/links", json={"note": note}).status_code == 201
    for name in keys:
        assert parley.ann.http.post("/api/account/keys", json={"name": name}).status_code == 201
    dan = parley.people.invite(parley.ann, "member", "<img/src=x/onerror=window.hacked=1>")
    parley.ann.http.patch(f"/api/users/{dan.id}", json={"name": hostile[0]})
    parley.ann.conversation(title=hostile[4])
    page = open_page(parley.url)
    enter(page, "ann")
    open_account(page, "People")
    expect(page.locator(".p-entry", has_text="hacked").nth(40)).to_be_attached()
    page.get_by_role("tab", name="Activity").click()
    expect(page.locator(".p-entry", has_text="API key").first).to_be_visible()
    page.get_by_role("tab", name="My account").click()
    expect(page.get_by_role("button", name="Revoke")).to_have_count(len(keys))
    assert page.evaluate("window.hacked") is None
    reset = parley.ann.http.post(f"/api/users/{dan.id}/reset").json()["path"]
    login = open_page(parley.url + reset)
    expect(login.locator("form p").first).to_contain_text("<img/src=x/onerror=window.hacked=1>")
    assert login.evaluate("window.hacked") is None
    for link in parley.ann.http.get("/api/users").json()["links"]:
        parley.ann.http.delete(f"/api/links/{link['id']}")
