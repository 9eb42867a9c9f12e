"""Whole messages: rendered once, and readable whatever they are."""

from __future__ import annotations

import asyncio

import pytest

from frontends.client import Json
from frontends.view.render_process import RenderFailed, RenderProcess
from frontends.view.renderings import Renderings
from tests.support.fake_api import message

pytestmark = pytest.mark.anyio


class Counting(RenderProcess):
    """Counts requests, and fails those whose text holds ``deadly`` (with highlighting: ``slow`` too)."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def ask(self, request: Json, starts: int | None = None) -> Json:
        self.asked.append(request["text"])
        await asyncio.sleep(0)
        if "deadly" in request["text"] or ("slow" in request["text"] and request["highlight"]):
            raise RenderFailed("as told")
        return {"html": f"<p>{request['text']}</p>"}


async def test_finished_messages_are_rendered_once() -> None:
    process = Counting()
    renderings = Renderings(process, limit_chars=100)
    finished, pending = message("a", content="x"), message("b", content="y", state="pending")
    for _ in range(3):
        found = await renderings.all_with_html([finished, pending, message("q", "user", "<b>")])
        assert [m["html"] for m in found] == ["<p>x</p>", "<p>y</p>", '<p dir="auto">&lt;b&gt;</p>']
    assert process.asked == ["x", "y", "y", "y"]
    await renderings.with_html(message("big", content="z" * 90))  # pushes the oldest out
    await renderings.with_html(finished)
    assert process.asked[-1] == "x"


async def test_who_asks_at_the_same_time_gets_the_same() -> None:
    process = Counting()
    renderings = Renderings(process)
    first, *others = [asyncio.ensure_future(renderings.with_html(message("a", content="x"))) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    assert [m["html"] for m in await asyncio.gather(*others)] == ["<p>x</p>"] * 4
    assert process.asked == ["x"]


async def test_what_cannot_be_highlighted_is_plain_code_and_what_cannot_be_rendered_is_text() -> None:
    process = Counting()
    renderings = Renderings(process)
    found = await renderings.all_with_html([message("a", content="slow"), message("b", content="<deadly>\nx")])
    assert [m["html"] for m in found] == ["<p>slow</p>", '<p dir="auto">&lt;deadly&gt;<br>x</p>']
    await renderings.with_html(message("b", content="<deadly>\nx"))
    assert len(process.asked) == 4  # it is not tried again
