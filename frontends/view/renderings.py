"""Renders whole messages as HTML in the render process, with a cache."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from frontends.client import Json
from frontends.render import user_html
from frontends.view.render_process import RenderFailed, RenderProcess

_Key = tuple[str, int]


class Renderings:
    """Renders messages. The HTML of finished ones is kept in an LRU cache, by id and length."""

    def __init__(self, process: RenderProcess, *, limit_chars: int = 16_000_000) -> None:
        self._process = process
        self._limit_chars = limit_chars  # of HTML kept
        self._kept: OrderedDict[_Key, str] = OrderedDict()
        self._chars = 0
        self._running: dict[_Key, asyncio.Task[str]] = {}

    async def with_html(self, message: Json) -> Json:
        """The message with its ``html``."""
        return {**message, "html": await self._html(message)}

    async def all_with_html(self, messages: Sequence[Json]) -> list[Json]:
        """The messages, each with its ``html``."""
        return [await self.with_html(message) for message in messages]

    async def html_of(self, role: str, text: str) -> str:
        """The HTML of a text that has no message of its own here; it is not kept."""
        return await self._rendered(text) if role == "assistant" else user_html(text)

    async def _html(self, message: Json) -> str:
        text = message["content"]
        if message["role"] != "assistant":
            return user_html(text)
        if not text:
            return ""
        key = (message["id"], len(text))
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        # Who asks while it is being rendered gets the same; who leaves doesn't take it away from the others.
        if key not in self._running:
            rendering = self._render(key, text, keep=message["state"] != "pending")
            self._running[key] = asyncio.create_task(rendering, name="render a message")
        return await asyncio.shield(self._running[key])

    async def _render(self, key: _Key, text: str, *, keep: bool) -> str:
        try:
            html = await self._rendered(text)
            if keep:
                self._keep(key, html)
            return html
        finally:
            del self._running[key]

    async def _rendered(self, text: str) -> str:
        """Without highlighting if that takes too long, as plain text if all else does."""
        for highlight in (True, False):
            try:
                return str((await self._process.ask({"text": text, "highlight": highlight}))["html"])
            except RenderFailed:
                continue
        return user_html(text)

    def _keep(self, key: _Key, html: str) -> None:
        self._chars += len(html) - len(self._kept.pop(key, ""))
        self._kept[key] = html
        while self._chars > self._limit_chars:
            _, oldest = self._kept.popitem(last=False)
            self._chars -= len(oldest)
