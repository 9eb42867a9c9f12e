"""A real browser on a real server. Every page is watched: errors and requests to elsewhere fail its test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, expect, sync_playwright

from tests.support.processes import ServerProcess, serving
from tests.support.servers import scripted_settings

CHROMIUM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE = (1280, 800)
PHONE = (390, 844)
LOCALES = {"en": "en-US", "zh": "zh-CN"}

OpenPage = Callable[..., Page]

# A test that answers /api/models itself changes its answers as it goes: the page receives them as events.
MODEL_EVENTS = """
(() => {
  const Real = window.EventSource;
  class ModelEvents extends EventTarget {
    constructor() {
      super();
      this.timer = setInterval(() => this.send(), 200);
    }
    async send() {
      const data = await (await fetch("/api/models")).text();
      this.dispatchEvent(new MessageEvent("models", { data }));
    }
    close() {
      clearInterval(this.timer);
    }
  }
  window.EventSource = function (url) {
    return url.startsWith("./api/models/events") ? new ModelEvents() : new Real(url);
  };
})();
"""


class Watched:
    """What a page must not do."""

    def __init__(self, page: Page, origin: str) -> None:
        self.problems: list[str] = []
        self._origin = origin
        page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        # A refusal that a test provokes is told on the page; Chromium also writes its status to the console.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.problems.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self._origin, "data:", "blob:")):
            self.problems.append(f"request to elsewhere: {request.url}")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Ended with each module: its event loop would be in the way of asynchronous tests."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    executable = CHROMIUM or playwright.chromium.executable_path
    if not Path(executable).exists():
        pytest.skip("no Chromium on this machine; `make test` installs one")
    running = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
    yield running
    running.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, default_weights: Path) -> Iterator[ServerProcess]:
    """`parley serve` with the real default model."""
    store = {"PARLEY_MODEL_STORE": str(default_weights.parents[2])}
    with serving(tmp_path_factory.mktemp("walk"), "--ui", "gradio", **store) as running:
        yield running


@contextmanager
def scripted(folder: Path, *arguments: str, **environment: str) -> Iterator[ServerProcess]:
    """`parley serve` with a model that says again what it is told, three characters at a time."""
    scripted_settings(folder)
    with serving(folder, "--ui", "gradio", *arguments, PARLEY_MODEL="test", **environment) as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens watched pages: ``open_page(url, language, size, dark=…)``; `beside` shares a page's storage."""
    watched: list[Watched] = []
    contexts = []

    def opened(
        url: str, language: str = "en", size: tuple[int, int] = WIDE, *, dark: bool = False, beside: Page | None = None
    ) -> Page:
        if beside is None:
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                locale=LOCALES[language],
                color_scheme="dark" if dark else "light",
                has_touch=size == PHONE,
                permissions=["clipboard-read", "clipboard-write"],
            )
            contexts.append(context)
        else:
            context = beside.context
        page = context.new_page()
        page.set_default_timeout(15_000)
        watched.append(Watched(page, "/".join(url.split("/")[:3])))
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [problem for one in watched for problem in one.problems] == []


def seen(page: Page, requests: list[Any]) -> None:
    """Wait for the first of `requests`, and a moment longer for one too many."""
    for _ in range(100):
        if requests:
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(300)


def until(page: Page, expression: str) -> None:
    """Wait until a JavaScript expression is true. Playwright's own wait uses eval(), which our policy forbids."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it did not become true: {expression[:200]}")


def ask(page: Page, text: str) -> None:
    """Type and press Enter, or on a phone the button."""
    page.fill("#parley-input", text)
    if page.evaluate("matchMedia('(pointer: coarse)').matches"):
        page.click(".p-send")
    else:
        page.press("#parley-input", "Enter")


def finished(page: Page, n: int = -1) -> str:
    """The text of the n-th reply once it is complete."""
    expect(page.locator(".p-reply").nth(n)).to_have_attribute("data-state", "complete", timeout=60_000)
    return page.locator(".p-reply .p-body").nth(n).inner_text()
