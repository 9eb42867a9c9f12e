"""Running replies as HTML, rendered once for all who watch.

Each watcher receives the same text from the API; whoever comes first adds it. A rendering changes some blocks; each
block has the number of the rendering that changed it last, so a watcher asks for those after the last it has sent.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from frontends.client import Json
from frontends.render import user_html
from frontends.view.render_process import RenderFailed, RenderProcess, Restarted

INTERVAL_S = 0.1  # at least, between two renderings of one reply
COST_SHARE = 0.05  # of one core, at most, for the renderings of one reply
HTML_PER_S = 400_000  # characters at most for sending open blocks repeatedly

_keys = count()


@dataclass(slots=True)
class _Block:
    html: str
    closed: bool
    version: int


class RenderedReply:
    """The text of one running reply and its rendered blocks."""

    def __init__(self, process: RenderProcess) -> None:
        self.length = 0  # code points received
        self.rendered_length = 0  # code points that the blocks show
        self.version = 0  # of the last rendering
        self.due = 0.0  # time.monotonic() before which it isn't rendered again
        self._process = process
        self._key = str(next(_keys))
        self._text: list[str] = []
        self._sent = 0  # pieces of the text that the process has
        self._starts = 0  # the start of the process that has them
        self._highlight: bool | None = True  # None: not even Markdown is rendered
        self._final = False
        self._is_new = False  # the next blocks are all there are
        self._blocks: list[_Block] = []
        self._turn = asyncio.Lock()
        self._renderings: set[asyncio.Task[None]] = set()

    def add(self, offset: int, text: str) -> None:
        """Add the part of `text`, which begins at `offset`, that is new."""
        if new := text[max(0, self.length - offset) :]:
            self._text.append(new)
            self.length += len(new)

    async def render(self, *, final: bool = False) -> None:
        """Render the new text. `final`: there will be no more.

        A watcher that leaves meanwhile takes nothing from the others: the rendering is completed without it.
        """
        task = asyncio.create_task(self._render(final), name="render a running reply")
        self._renderings.add(task)
        task.add_done_callback(self._renderings.discard)
        await asyncio.shield(task)

    async def _render(self, final: bool) -> None:
        async with self._turn:
            if self.rendered_length == self.length and self._final >= final:
                return
            length, self._final = self.length, final
            seconds = await self._rendered(final)
            self.rendered_length = length
            open_html = sum(len(block.html) for block in self._blocks if not block.closed)
            self.due = time.monotonic() + max(INTERVAL_S, seconds / COST_SHARE, open_html / HTML_PER_S)

    def blocks(self, since: int = 0) -> list[Json]:
        """The blocks that changed after the rendering `since`."""
        return [
            {"index": index, "html": block.html, "closed": block.closed}
            for index, block in enumerate(self._blocks)
            if block.version > since
        ]

    async def forget(self) -> None:
        """Free what the process keeps of it."""
        with suppress(RenderFailed, Restarted):
            await self._process.ask({"forget": self._key}, self._starts)

    async def _rendered(self, final: bool) -> float:
        """Bring the blocks up to date; returns the seconds of CPU that took."""
        while self._highlight is not None:
            pieces = self._text[self._sent :]
            request = {"reply": self._key, "text": "".join(pieces), "final": final, "highlight": self._highlight}
            try:
                answer = await self._process.ask(request, self._starts)
            except Restarted:  # another text ended it
                self._begin_again()
            except RenderFailed:  # this text did
                self._highlight = False if self._highlight else None
                self._begin_again()
            else:
                self._sent += len(pieces)
                self._take([(index, html, closed) for index, html, closed in answer["blocks"]])
                return float(answer["seconds"])
        started = time.process_time()
        self._is_new = True
        self._take([(0, user_html("".join(self._text)), final)])
        return time.process_time() - started

    def _begin_again(self) -> None:
        self._key, self._sent = str(next(_keys)), 0
        self._starts = self._process.starts
        self._is_new = True

    def _take(self, changed: list[tuple[int, str, bool]]) -> None:
        self.version += 1
        if self._is_new:
            changed += [(index, "", False) for index in range(len(changed), len(self._blocks))]
        self._is_new = False
        for index, html, closed in changed:
            self._blocks[index : index + 1] = [_Block(html, closed, self.version)]


class RenderedReplies:
    """The running replies that somebody watches, by message id."""

    def __init__(self, process: RenderProcess) -> None:
        self._process = process
        self._replies: dict[str, RenderedReply] = {}
        self._watchers: dict[RenderedReply, int] = {}
        self._forgetting: set[asyncio.Task[None]] = set()

    def watch(self, message_id: str) -> RenderedReply:
        """The reply, new if nobody watches it. :meth:`leave` it in the end."""
        reply = self._replies.setdefault(message_id, RenderedReply(self._process))
        self._watchers[reply] = self._watchers.get(reply, 0) + 1
        return reply

    def end(self, message_id: str, reply: RenderedReply) -> None:
        """Note that it has ended: if it is continued, that is another one."""
        if self._replies.get(message_id) is reply:
            del self._replies[message_id]

    def leave(self, message_id: str, reply: RenderedReply) -> None:
        """Watch it no longer; it is forgotten when nobody does."""
        self._watchers[reply] -= 1
        if not self._watchers[reply]:
            del self._watchers[reply]
            self.end(message_id, reply)
            task = asyncio.create_task(reply.forget(), name="forget a reply")
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)
