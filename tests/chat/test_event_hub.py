from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from app.chat.event_hub import EventHub
from app.chat.events import Snapshot

pytestmark = pytest.mark.anyio


async def test_closing_the_hub_ends_all_streams() -> None:
    hub = EventHub()

    async def read() -> None:
        async with aclosing(hub.channel("c").subscribe(None, 60)) as events:
            async for _ in events:
                pass

    tasks = [asyncio.create_task(read()) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert hub.subscribers == 5
    hub.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert [e async for _, e in hub.channel("another").subscribe(None, 60)] == [Snapshot(())]


async def test_unused_channels_are_forgotten() -> None:
    hub = EventHub(keep_s=0)
    first = hub.channel("a")
    await asyncio.sleep(0.01)
    hub.channel("b")
    assert hub.channel("a") is not first
