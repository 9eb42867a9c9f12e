from __future__ import annotations

import asyncio
import time

import pytest

from app.system.loop_watch import WINDOW_S, LoopWatch

pytestmark = pytest.mark.anyio

BLOCK_S = 0.3


class Clock:
    """Real time, and a jump into the future."""

    jump_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.jump_s


async def test_the_longest_block_is_remembered_for_a_minute() -> None:
    clock = Clock()
    watch = LoopWatch(clock)
    watch.start()
    try:
        await asyncio.sleep(0.01)
        time.sleep(BLOCK_S)  # noqa: ASYNC251 - the block that is looked for
        deadline = time.monotonic() + 10
        while not watch.longest_block_s:
            await asyncio.sleep(0.01)
            assert time.monotonic() < deadline
        longest_s = watch.longest_block_s
        assert longest_s >= BLOCK_S - 0.1  # it began before the timer was due
        time.sleep(BLOCK_S / 3)  # noqa: ASYNC251
        await asyncio.sleep(0.1)
        assert watch.longest_block_s >= longest_s
        clock.jump_s = WINDOW_S - 1
        assert watch.longest_block_s >= longest_s
        clock.jump_s = WINDOW_S + 10
        assert watch.longest_block_s == 0
    finally:
        watch.stop()


async def test_it_rests_once_stopped() -> None:
    watch = LoopWatch()
    watch.start()
    watch.stop()
    time.sleep(BLOCK_S)  # noqa: ASYNC251
    await asyncio.sleep(0.1)
    assert watch.longest_block_s == 0
