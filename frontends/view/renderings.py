"""Renders whole messages as HTML, off the event loop and with a cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from anyio import CapacityLimiter, to_thread

from frontends.client import Json
from frontends.render import MarkdownRenderer, user_html

INLINE_LIMIT = 400  # characters of Markdown, which take well under 2 ms


class Renderings:
    """Renders messages. The HTML of finished ones is kept in an LRU cache, by id and length."""

    def __init__(self, renderer: MarkdownRenderer | None = None, *, limit_chars: int = 16_000_000) -> None:
        self.renderer = renderer or MarkdownRenderer()
        self._limit_chars = limit_chars  # of HTML kept
        self._kept: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._chars = 0
        self._threads = CapacityLimiter(2)

    async def with_html(self, message: Json) -> Json:
        """The message with its ``html``."""
        return (await self.all_with_html([message]))[0]

    async def all_with_html(self, messages: Sequence[Json]) -> list[Json]:
        """The messages, each with its ``html``."""
        found = [self._find(message) for message in messages]
        missing = [message for message, html in zip(messages, found, strict=True) if html is None]
        rendered = iter(await self._render(missing))
        shown = [next(rendered) if html is None else html for html in found]
        return [{**message, "html": html} for message, html in zip(messages, shown, strict=True)]

    async def _render(self, messages: list[Json]) -> list[str]:
        texts = [message["content"] for message in messages]
        if sum(map(len, texts)) <= INLINE_LIMIT:
            made = [self.renderer.render(text) for text in texts]
        else:
            made = await to_thread.run_sync(lambda: list(map(self.renderer.render, texts)), limiter=self._threads)
        for message, html in zip(messages, made, strict=True):
            if message["state"] != "pending":
                self._keep((message["id"], len(message["content"])), html)
        return made

    def _find(self, message: Json) -> str | None:
        if message["role"] != "assistant":
            return user_html(message["content"])
        if not message["content"]:
            return ""
        key = (message["id"], len(message["content"]))
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _keep(self, key: tuple[str, int], html: str) -> None:
        self._chars += len(html) - len(self._kept.pop(key, ""))
        self._kept[key] = html
        while self._chars > self._limit_chars:
            _, oldest = self._kept.popitem(last=False)
            self._chars -= len(oldest)
