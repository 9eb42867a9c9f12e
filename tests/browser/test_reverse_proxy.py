"""The page behind nginx and Caddy as the documentation sets them up, and behind proxies that change Host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, ask, finished, scripted
from tests.support.processes import ServerProcess
from tests.support.reverse_proxies import documented, found, proxying


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("proxied"), "--root-path", "/passed-on") as running:
        yield running


def need(program: str) -> None:
    if found(program) is None:
        pytest.skip(f"no {program} on this machine; `make test` installs it")


def chats(page: Page) -> None:
    """A reply streams, the conversation has an address of its own, and it is there after a reload."""
    ask(page, "Hello there")
    assert "Hello there" in finished(page)
    expect(page.locator(".p-row")).to_have_count(1)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(page.locator(".p-reply")).to_have_count(1)
    page.locator(".p-row").hover()
    page.evaluate(
        "async () => (await fetch('./api/conversations/' + new URL(location).searchParams.get('c'), "
        "{ method: 'DELETE' })).status"
    )


@pytest.mark.parametrize("program", ["nginx", pytest.param("caddy", marks=pytest.mark.slow)])
@pytest.mark.parametrize("path", [pytest.param("", marks=pytest.mark.slow), "/chat"])
def test_the_documented_block_works(
    server: ServerProcess, open_page: OpenPage, tmp_path: Path, program: str, path: str
) -> None:
    need(program)
    with proxying(program, documented(program, path=bool(path)), server.url, tmp_path) as url:
        page = open_page(url + path)
        assert page.url == f"{url}{path}/"
        chats(page)


@pytest.mark.parametrize(
    "host",
    [pytest.param("$http_host", marks=pytest.mark.slow), pytest.param("$host", marks=pytest.mark.slow), "$proxy_host"],
    ids=["as sent", "without the port", "the target's"],
)
def test_whatever_host_a_proxy_passes_on(server: ServerProcess, open_page: OpenPage, tmp_path: Path, host: str) -> None:
    need("nginx")
    block = documented("nginx", path=False).replace("$http_host", host)
    with proxying("nginx", block, server.url, tmp_path) as url:
        chats(open_page(url))


def test_a_proxy_may_pass_on_the_whole_path(server: ServerProcess, open_page: OpenPage, tmp_path: Path) -> None:
    need("nginx")
    block = documented("nginx", path=False)
    with proxying("nginx", block, server.url, tmp_path) as url:
        page = open_page(f"{url}/passed-on")
        assert page.url == f"{url}/passed-on/"
        chats(page)


@pytest.mark.parametrize(("language", "text"), [("en", "scripts could not be loaded"), ("zh", "脚本加载失败")])
def test_a_page_without_its_scripts_says_what_is_wrong(
    server: ServerProcess, open_page: OpenPage, language: str, text: str
) -> None:
    page = open_page(server.url, language)
    page.route("**/ui/static/*.js", lambda route: route.fulfill(status=404))
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text(text)
