"""Watches a page for controls that come to the place of others."""

from __future__ import annotations

from playwright.sync_api import Locator, Page

# From `watch` on, every frame looks for controls at these points: where other controls are now, or one that is pressed.
# The same button of another version counts as the same, and so do Send and Stop, which have a test of their own.
WATCHER = """
(() => {
  const CONTROLS = "button, a[href], label, input, select, summary";
  const nameOf = (element) => {
    const act = element.dataset.act?.replace(/^(send|stop)$/, "send or stop") ?? element.getAttribute("aria-label");
    return `${act ?? element.textContent} ${element.closest("article")?.dataset.parent ?? ""}`;
  };
  const at = ({ x, y }) => document.elementFromPoint(x, y)?.closest(CONTROLS);
  const centre = (element) => {
    const box = element.getBoundingClientRect();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  };
  const shown = () => [...document.querySelectorAll(CONTROLS)].filter((one) => at(centre(one)) === one);
  window.watch = (point) => {
    const elements = point ? [at(point)] : shown();
    const places = elements.map((element) => ({ name: nameOf(element), ...(point ?? centre(element)) }));
    const taken = (window.taken = new Set());
    const look = () => {
      for (const place of places) {
        const found = at(place);
        if (found && nameOf(found) !== place.name) taken.add(`${nameOf(found)} in place of ${place.name}`);
      }
      if (taken === window.taken) requestAnimationFrame(look);
    };
    look();
    return places.length;
  };
})();
"""


def watch_all(page: Page) -> None:
    """Watch the places of all controls: for changes that nobody's pointer makes."""
    page.evaluate(WATCHER)
    assert page.evaluate("watch()") > 5


def press(page: Page, button: Locator) -> dict[str, float]:
    """Press it and watch its place from then on."""
    button.hover()  # scrolls to it, and waits until it stays where it is
    box = button.bounding_box()
    assert box is not None
    point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    page.evaluate(WATCHER)
    assert page.evaluate("(point) => watch(point)", point) == 1
    page.mouse.click(**point)
    return point


def taken(page: Page) -> list[str]:
    """The controls that came to a place of another one, once all is drawn."""
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    return list(page.evaluate("[...taken]"))
