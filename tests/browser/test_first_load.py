"""The first visit to the page: few requests, compressed, kept for the next one, and nothing moves. No clocks here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Response, expect

from tests.browser.conftest import PHONE, WIDE, scripted
from tests.support.processes import ServerProcess

MOST_REQUESTS = 12  # of ours: document, script, sheet, icon, info, models, list; 65 before they were bundled
IMMUTABLE = "public, max-age=31536000, immutable"
OBSERVE_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) shifts.push([entry.value, ...entry.sources.map((at) => at.node?.className)]);
}).observe({ type: "layout-shift", buffered: true });
"""

# Where the message box is in each frame in which it can be seen.
OBSERVE_COMPOSER = """
window.places = new Set();
(function look() {
  const composer = document.querySelector(".p-composer");
  const box = composer?.getBoundingClientRect();
  const isSeen = composer?.checkVisibility({ visibilityProperty: true });
  if (isSeen) places.add([box.x, box.y, box.width].map(Math.round).join());
  requestAnimationFrame(look);
})();
"""

# The list of models can't be read at first.
FAILING_MODELS = """
const { fetch } = window;
let failed = false;
window.fetch = async (path, options) => {
  if (path !== "/api/models" || failed) return fetch(path, options);
  failed = true;
  throw new TypeError("not yet");
};
"""

# The list of models comes when all else has been drawn.
LATE_MODELS = """
const { fetch } = window;
window.fetch = async (path, options) => {
  if (path === "/api/models") await new Promise((resolve) => setTimeout(resolve, 1500));
  return fetch(path, options);
};
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with scripted(tmp_path_factory.mktemp("first")) as running:
        for number in range(20):
            running.http.post("/api/conversations", json={"title": f"Conversation {number}"}).raise_for_status()
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser with an empty cache."""
    found = browser.new_context()
    yield found
    found.close()


def visit(context: BrowserContext, url: str) -> tuple[list[Response], list[object]]:
    """What the page asked us for, Gradio's own files apart, and what moved."""
    page = context.new_page()
    page.add_init_script(OBSERVE_SHIFTS)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # Playwright writes to handlers: not a bound method
    page.goto(url)
    page.wait_for_selector("html[data-ready]")
    page.locator(".p-row").first.wait_for(state="attached")
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert [answer.url for answer in answers if answer.status >= 400] == []  # nothing that Gradio needs is refused
    ours = [answer for answer in answers if is_ours(urlsplit(answer.url).path)]
    return ours, page.evaluate("shifts")


def is_ours(path: str) -> bool:
    return path == "/" or path.startswith(("/ui/", "/api/"))


def paths(answers: list[Response]) -> list[str]:
    return [urlsplit(answer.url).path for answer in answers]


def test_few_requests_each_answered_once_and_compressed(server: ServerProcess, context: BrowserContext) -> None:
    answers, _ = visit(context, server.url)
    asked = paths(answers)
    assert len(asked) <= MOST_REQUESTS, asked
    for path in ("/", "/api/info", "/api/models", "/api/conversations"):
        assert len([one for one in asked if one == path or one == f"{path}/events"]) == 1, asked
    bundles = [answer for answer in answers if Path(urlsplit(answer.url).path).suffix in (".js", ".css")]
    assert sorted(Path(path).suffix for path in paths(bundles)) == [".css", ".js"]
    for answer in bundles:
        assert answer.headers["cache-control"] == IMMUTABLE
        assert answer.headers["content-encoding"] == "br"
    for path in ("/", "/api/conversations"):
        answer = answers[asked.index(path)]
        assert answer.headers["content-encoding"] in ("br", "gzip"), path


def test_the_next_visit_takes_scripts_and_styles_from_the_cache(server: ServerProcess, context: BrowserContext) -> None:
    visit(context, server.url)
    answers, _ = visit(context, server.url)
    fetched = [answer for answer in answers if answer.request.sizes()["responseBodySize"] > 0]
    assert [path for path in paths(fetched) if path.endswith((".js", ".css"))] == []
    assert "/" in paths(fetched)


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_nothing_moves_once_it_is_drawn(server: ServerProcess, browser: Browser, size: tuple[int, int]) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_init_script(LATE_MODELS)
    _, shifts = visit(context, server.url)
    context.close()
    assert shifts == []


@pytest.mark.parametrize(
    ("screen", "size", "models"),
    [
        ("welcome", WIDE, LATE_MODELS),
        ("chat", PHONE, FAILING_MODELS),
        pytest.param("welcome", WIDE, FAILING_MODELS, marks=pytest.mark.slow),
        pytest.param("welcome", PHONE, LATE_MODELS, marks=pytest.mark.slow),
        pytest.param("welcome", PHONE, FAILING_MODELS, marks=pytest.mark.slow),
        pytest.param("chat", WIDE, LATE_MODELS, marks=pytest.mark.slow),
        pytest.param("chat", WIDE, FAILING_MODELS, marks=pytest.mark.slow),
        pytest.param("chat", PHONE, LATE_MODELS, marks=pytest.mark.slow),
    ],
)
def test_the_message_box_begins_where_it_stays(
    server: ServerProcess, browser: Browser, size: tuple[int, int], models: str, screen: str
) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    for script in (models, OBSERVE_COMPOSER, OBSERVE_SHIFTS):
        page.add_init_script(script)
    chats = server.http.get("/api/conversations").json()["items"]
    page.goto(server.url if screen == "welcome" else f"{server.url}/?c={chats[0]['id']}")
    page.wait_for_selector("html[data-ready]")
    expect(page.locator(f".p-main[data-screen={screen}]")).to_be_visible()
    expect(page.locator(".p-picker-title")).to_have_text("Scripted test", timeout=15_000)  # the list was read again
    if screen == "welcome":
        expect(page.locator(".p-example")).to_have_count(4)
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert len(page.evaluate("[...places]")) == 1, page.evaluate("[...places]")
    if models == LATE_MODELS:
        assert page.evaluate("shifts") == []
    context.close()
