"""Running replies: rendered once for all who watch, and gone on with when the process ends."""

from __future__ import annotations

import asyncio
import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from frontends.client import Json
from frontends.render import MarkdownRenderer
from frontends.view import rendered_replies
from frontends.view.render_process import RenderFailed, RenderProcess
from frontends.view.rendered_replies import INTERVAL_S, RenderedReplies, RenderedReply

pytestmark = pytest.mark.anyio

TEXT = "# Title\n\none **two**\n\n```python\nx = 1\n```\n\nend"


def shown(reply: RenderedReply) -> str:
    return "".join(block["html"] for block in reply.blocks())


async def test_a_watcher_gets_what_changed_since(process: RenderProcess) -> None:
    reply = RenderedReply(process)
    reply.add(0, "one\n\ntwo")
    await reply.render()
    seen = reply.version
    assert [block["index"] for block in reply.blocks()] == [0, 1]
    assert reply.blocks(seen) == []
    reply.add(8, " three")
    await reply.render()
    assert reply.blocks(seen) == [{"index": 1, "html": '<p dir="auto">two three</p>\n', "closed": False}]


async def test_text_that_two_watchers_bring_is_taken_once(process: RenderProcess) -> None:
    replies = RenderedReplies(process)
    first, second = replies.watch("r"), replies.watch("r")
    assert first is second
    for offset, text in ((0, "ab"), (0, "abc"), (2, "cd"), (0, "a"), (4, "e")):
        first.add(offset, text)
    await first.render()
    assert (shown(first), first.length) == ('<p dir="auto">abcde</p>\n', 5)
    version = first.version
    await second.render()  # nothing is new
    assert first.version == version


async def test_a_reply_that_is_continued_is_another_one(process: RenderProcess) -> None:
    replies = RenderedReplies(process)
    slow = replies.watch("r")
    slow.add(0, "one")
    await slow.render(final=True)
    replies.end("r", slow)
    again = replies.watch("r")
    assert again is not slow
    replies.leave("r", slow)
    assert replies.watch("r") is again


async def test_what_nobody_watches_is_forgotten(process: RenderProcess) -> None:
    replies = RenderedReplies(process)
    first, second = replies.watch("r"), replies.watch("r")
    replies.leave("r", first)
    assert replies.watch("r") is second
    replies.leave("r", second)
    replies.leave("r", second)
    assert replies.watch("r") is not second


@pytest.mark.parametrize("cut", range(1, len(TEXT), 8))
async def test_the_end_of_the_process_is_not_seen(process: RenderProcess, cut: int) -> None:
    reply = RenderedReply(process)
    reply.add(0, TEXT[:cut])
    await reply.render()
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(RenderFailed):
        await process.ask({"text": "another's", "highlight": True})
    reply.add(cut, TEXT[cut:])
    await reply.render(final=True)
    assert shown(reply) == MarkdownRenderer().render(TEXT)


class Failing(RenderProcess):
    """Fails as long as it is asked for more than `bearable`: "markdown", or "nothing"."""

    def __init__(self, bearable: str) -> None:
        super().__init__()
        self.bearable = bearable

    async def ask(self, request: Json, starts: int | None = None) -> Json:
        if "deadly" in request.get("text", "") and (request["highlight"] or self.bearable == "nothing"):
            raise RenderFailed("as told")
        return await super().ask(request, starts)


@pytest.mark.parametrize(
    ("bearable", "html"),
    [("markdown", MarkdownRenderer(highlight=False).render(f"{TEXT}\n\ndeadly")), ("nothing", None)],
)
async def test_a_reply_that_ends_the_process_is_shown_more_simply(bearable: str, html: str | None) -> None:
    process = Failing(bearable)
    reply = RenderedReply(process)
    reply.add(0, TEXT)
    await reply.render()
    before = reply.version
    assert '<span class="mi">1</span>' in shown(reply)
    reply.add(len(TEXT), "\n\ndeadly")
    await reply.render(final=True)
    plain = '<p dir="auto">' + f"{TEXT}\n\ndeadly".replace("\n", "<br>") + "</p>"
    assert shown(reply) == (html or plain)
    kept: dict[int, Any] = {block["index"]: block["html"] for block in reply.blocks(before)}
    assert "".join(kept.values()) == (html or plain)  # a watcher is sent all of it, and what is gone as empty
    await process.close()


async def test_what_is_slow_to_render_is_rendered_less_often(
    process: RenderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(request: Json, _starts: int | None = None) -> Json:
        return {"blocks": [], "seconds": 0.05 if request["text"] == "slow" else 0.001}

    monkeypatch.setattr(process, "ask", ask)
    monkeypatch.setattr(rendered_replies, "time", SimpleNamespace(monotonic=lambda: 100.0))
    reply = RenderedReply(process)
    reply.add(0, "text")
    await reply.render()
    assert reply.due == 100.0 + INTERVAL_S
    reply.add(4, "slow")
    await reply.render()
    assert reply.due == pytest.approx(101.0)  # a twentieth of one core


async def test_a_watcher_that_leaves_takes_nothing_from_the_others(
    process: RenderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange, asked = process._exchange, asyncio.Event()

    async def exchanged(child: asyncio.subprocess.Process, line: bytes) -> Json:
        asked.set()
        return await exchange(child, line)

    monkeypatch.setattr(process, "_exchange", exchanged)
    reply = RenderedReply(process)
    reply.add(0, TEXT * 20)
    leaving = asyncio.ensure_future(reply.render())
    await asked.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    reply.add(len(TEXT) * 20, " and more")
    await reply.render(final=True)
    assert leaving.cancelled()
    assert shown(reply) == MarkdownRenderer().render(f"{TEXT * 20} and more")
    assert process.starts == 1
