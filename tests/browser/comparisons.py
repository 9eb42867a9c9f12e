"""Comparisons as browser tests make them: a page that compares, its controls, and what is stored of a choice."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import ask
from tests.support.processes import ServerProcess


def comparing(page: Page, **setup: Any) -> Page:
    """The page, which compares with this setup."""
    page.evaluate("(text) => localStorage.setItem('parley.compare', text)", json.dumps({"on": True, **setup}))
    page.reload()
    page.wait_for_selector("html[data-ready]")
    return page


def compared(page: Page, text: str = "Hello there", **setup: Any) -> Page:
    """A page with finished replies that wait for a choice."""
    ask(comparing(page, **setup), text)
    expect(page.locator(".p-verdict-foot button").last).to_be_enabled()
    return page


def choice(page: Page, name: str) -> Locator:
    return page.locator(f"[data-act=choose_{name}]")


def line(page: Page) -> Locator:
    return page.locator(".p-verdict-line").last


def stored(server: ServerProcess, page: Page) -> dict[str, Any]:
    found = server.http.get(f"/api/conversations/{page.url.split('c=')[1]}").json()
    return dict(found)


def ranking(server: ServerProcess, page: Page, *, is_open: bool = False, count: int = 1) -> dict[str, Any]:
    """The latest of the conversation's rankings, once there are so many and it is open or not."""
    for _ in range(100):
        found = stored(server, page)["rankings"]
        if len(found) == count and found[-1]["open"] is is_open:
            return dict(found[-1])
        page.wait_for_timeout(50)
    raise AssertionError(f"{found}")


def by_position(found: dict[str, Any]) -> list[int | None]:
    return [item["rank"] for item in sorted(found["items"], key=lambda item: item["position"])]


def model_at(server: ServerProcess, page: Page, position: int) -> str:
    """The name of the model whose reply was shown there."""
    found = stored(server, page)
    wanted = next(x["message_id"] for x in found["rankings"][0]["items"] if x["position"] == position)
    return "Scripted " + next(m["model_id"] for m in found["messages"] if m["id"] == wanted)


def reopened(page: Page) -> Page:
    page.reload()
    page.locator(".p-question").first.wait_for()
    return page
