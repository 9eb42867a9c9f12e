"""Middleware that adds our head elements to the HTML of Gradio's page.

Gradio inserts its ``head=`` with a script, after its own megabyte has run: the page would flash in
the wrong colours and our modules would load last. This middleware writes them into the HTML of ``/``,
and moves Gradio's style sheet into a cascade layer, so that our rules take precedence.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontends.gradio.static_files import PageFiles

# Gradio's sheet resets headings, buttons and lists on the whole page; in a cascade layer ours takes precedence.
# The remaining link, which no medium matches, keeps Gradio's script from adding the sheet again.
SHEET = re.compile(rb'<link rel="stylesheet" crossorigin href="(\./assets/[\w.-]+\.css)">')
LAYERED = rb'<link rel="stylesheet" media="not all" href="\1"><style>@import url("\1") layer(gradio);</style>'

# Gradio's script takes the server's address from Host, which a reverse proxy may have changed, and knows of no path
# below which we are served. The page's own address is right.
ROOT = re.compile(rb'("root":|const root = )"https?://[^"<>]*"')
OWN_ADDRESS = rb'\1new URL(".",location).href.slice(0,-1)'

# Runs before the first paint: sets the chosen theme, and the language (for the browser's fonts and hyphenation). Where
# our script can't be loaded it says so, instead of leaving the page empty.
EARLY = """<script>
(() => {
  const read = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = { light: "light", dark: "dark" }[read("parley.theme")] ?? (dark ? "dark" : "light");
  root.lang = read("parley.language") ?? ((navigator.languages?.[0] ?? "en").startsWith("zh") ? "zh" : "en");
  const message = {
    en: "Parley's scripts could not be loaded. Behind a reverse proxy, this page's address must end with a slash, " +
      "and the proxy must pass on every path below it.",
    zh: "Parley 的脚本加载失败。如果使用反向代理，本页地址须以“/”结尾，并且代理须转发其下的所有路径。",
  };
  addEventListener("error", ({ target }) => {
    if (target.dataset?.script !== "parley") return;
    const text = document.createElement("p");
    text.setAttribute("role", "alert");
    text.style.cssText = "max-width: 40rem; margin: 15vh auto; padding: 0 1rem; font: 1rem/1.6 system-ui, sans-serif";
    text.textContent = message[root.lang] ?? message.en;
    document.body.prepend(text);
  }, true);
})();
</script>"""


def head(files: PageFiles, static_url: str = "./ui/static") -> str:
    """The head elements: early script, icon, style sheet, script."""
    return (
        f"{EARLY}"
        f'<link rel="icon" href="{static_url}/icon.svg" type="image/svg+xml">'
        f'<link rel="stylesheet" href="{static_url}/{files.styles}">'
        f'<script type="module" data-script="parley" src="{static_url}/{files.script}"></script>'
    )


class HeadFirst:
    """ASGI middleware that inserts `head` after ``<head>`` in the HTML of ``/``; everything else passes unchanged."""

    def __init__(self, app: ASGIApp, head: str) -> None:
        self._app = app
        self._head = head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        plain = [(k, v) for k, v in scope["headers"] if k != b"accept-encoding"]
        await self._app({**scope, "headers": plain}, receive, _Rewriter(send, self._head).send)


class _Rewriter:
    """Buffers a response and sends it with the head elements inserted."""

    def __init__(self, send: Send, head: bytes) -> None:
        self._send = send
        self._head = head
        self._start: dict[str, Any] = {}
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = dict(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = ROOT.sub(OWN_ADDRESS, SHEET.sub(LAYERED, self._body))
        body = body.replace(b"<head>", b"<head>" + self._head, 1)
        headers = [(k, v) for k, v in self._start["headers"] if k.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})
