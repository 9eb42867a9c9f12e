"""Cost of the first page load: requests, bytes, and the time until it is drawn and ready.

Headless Chromium opens the page of a server that has some conversations: with an empty cache (cold), again in the same
browser (warm), and with an empty cache over a slow link. *Ours* are the document, scripts, style sheets and API
responses; the rest is Gradio's. Bytes are counted on the wire, with headers. LCP is the largest contentful paint, CLS
the cumulative layout shift, *ready* the time at which every part of the page works.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, BrowserContext, CDPSession, sync_playwright

from benchmarks.processes import parley
from benchmarks.report import Row, median, publish

CONVERSATIONS = 20
SLOW_LINK = {"offline": False, "latency": 40, "downloadThroughput": 1_250_000, "uploadThroughput": 1_250_000}
OURS = ("/", "/ui/", "/api/")
SETTLE_MS = 1000  # after the page is ready, to count late shifts and requests too

OBSERVE = """
window.seen = { lcp_ms: 0, cls: 0, ready_ms: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) seen.lcp_ms = entry.startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.cls += entry.value;
}).observe({ type: "layout-shift", buffered: true });
const watch = new MutationObserver(() => {
  if (document.documentElement?.dataset.ready === undefined) return;
  seen.ready_ms = performance.now();
  watch.disconnect();
});
watch.observe(document, { subtree: true, attributes: true, childList: true });
"""


@dataclass
class Traffic:
    """Requests and bytes on the wire; resources from the browser's cache don't count."""

    paths: dict[str, str] = field(default_factory=dict)  # by request id of the browser
    bytes: dict[str, float] = field(default_factory=dict)
    cached: set[str] = field(default_factory=set)

    def watch(self, session: CDPSession) -> None:
        """Start counting."""
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.requestServedFromCache", lambda event: self.cached.add(event["requestId"]))
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")

    def _sent(self, event: dict[str, Any]) -> None:
        url = urlsplit(event["request"]["url"])
        if url.scheme.startswith("http"):
            self.paths[event["requestId"]] = url.path

    def _received(self, event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache"):
            self.cached.add(event["requestId"])

    def _finished(self, event: dict[str, Any]) -> None:
        self.bytes[event["requestId"]] = event["encodedDataLength"]

    def summary(self) -> dict[str, float]:
        """Requests and bytes, ours and all."""
        sent = {key: path for key, path in self.paths.items() if key not in self.cached}
        ours = [key for key, path in sent.items() if path == "/" or path.startswith(OURS[1:])]
        return {
            "requests, ours": len(ours),
            "requests, all": len(sent),
            "kB, ours": sum(self.bytes.get(key, 0) for key in ours) / 1000,
            "kB, all": sum(self.bytes.get(key, 0) for key in sent) / 1000,
        }


def visit(context: BrowserContext, url: str, *, slow: bool = False) -> dict[str, float]:
    """Open the page once in a new tab."""
    page = context.new_page()
    page.add_init_script(OBSERVE)
    session = context.new_cdp_session(page)
    traffic = Traffic()
    traffic.watch(session)
    if slow:
        session.send("Network.emulateNetworkConditions", SLOW_LINK)
    page.goto(url)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(SETTLE_MS)
    seen = page.evaluate("seen")
    page.close()
    return {
        **traffic.summary(),
        "LCP ms": seen["lcp_ms"],
        "ready ms": seen["ready_ms"],
        "CLS": seen["cls"],
    }


def measure(browser: Browser, url: str) -> dict[str, dict[str, float]]:
    """A first visit, another in the same browser, and a first one over a slow link."""
    found = {}
    first = browser.new_context()
    found["cold"] = visit(first, url)
    found["warm"] = visit(first, url)
    first.close()
    slow = browser.new_context()
    found["cold, 10 Mbit/s, 40 ms"] = visit(slow, url, slow=True)
    slow.close()
    return found


def fill(url: str) -> None:
    """Create conversations for the list."""
    for number in range(CONVERSATIONS):
        httpx.post(f"{url}/api/conversations", json={"title": f"Conversation {number}"}).raise_for_status()


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args(arguments)
    names = ("chromium", "chromium-browser", "google-chrome")
    installed = next((path for name in names if (path := shutil.which(name))), None)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox", "--disable-gpu"])
        with parley(Path(home)) as server:
            fill(server.url)
            measure(browser, server.url)  # not counted: the server's own first requests are slower
            runs = [measure(browser, server.url) for _ in range(given.repeats)]
        browser.close()
    publish("first_load", [_row(name, [run[name] for run in runs]) for name in runs[0]], runs=runs)


def _row(name: str, runs: list[dict[str, float]]) -> Row:
    values = {key: median(run[key] for run in runs) for key in runs[0]}
    return {"visit": name, **{key: round(value, 3 if key == "CLS" else 0) for key, value in values.items()}}


if __name__ == "__main__":
    main()
