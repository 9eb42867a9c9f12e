from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import cast

import pytest

from app.chat import reply_tasks
from app.chat.reply_task import ReplyTask
from app.chat.reply_tasks import ReplyTasks
from app.chat.running_reply import RunningReply
from app.domain.messages import Message, MessageState, Role
from app.errors import StoreFull

pytestmark = pytest.mark.anyio


def message(message_id: str, conversation_id: str) -> Message:
    return Message(message_id, conversation_id, None, Role.ASSISTANT, "", MessageState.PENDING, datetime.now(UTC))


class Task:
    """A reply that runs until it is stopped; its end is stored as often as the disk lets it."""

    def __init__(self, message_id: str, conversation_id: str = "c", *, refusals: int = 0, hangs: bool = False) -> None:
        self.reply = RunningReply(message(message_id, conversation_id))
        self.ended = asyncio.Event()
        self.saved: Message | None = None
        self.stopped_as: MessageState | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refusals, self._hangs = refusals, hangs

    def stop(self, state: MessageState = MessageState.CANCELLED) -> None:
        self.stopped_as = state
        self.ended.set()

    async def save(self) -> Message:
        if self._hangs:
            await asyncio.Event().wait()
        if self._refusals:
            self._refusals -= 1
            raise StoreFull("full")
        self.saved = self.reply.message
        return self.saved


def keep(*tasks: Task) -> ReplyTasks:
    kept = ReplyTasks()
    for task in tasks:
        kept.add(cast(ReplyTask, task))
    return kept


async def test_replies_are_found_until_their_end_is_stored() -> None:
    one, other = Task("1"), Task("2", "d")
    tasks = keep(one, other)
    assert tasks.find("1") is one
    assert tasks.of("d") == [other]
    one.stop()
    await tasks.end_of(cast(ReplyTask, one))
    assert tasks.find("1") is None
    other.done.set_result(None)  # given up, not stored
    await asyncio.sleep(0)
    assert tasks.find("2") is other


async def test_settling_stores_the_ends_that_were_refused_and_leaves_running_replies_alone() -> None:
    refused, running = Task("1", refusals=1), Task("2")
    tasks = keep(refused, running)
    refused.stop()
    with pytest.raises(StoreFull):
        await tasks.settle("c")
    assert tasks.of("c") == [refused, running]
    await tasks.settle("c")
    assert tasks.of("c") == [running]
    assert running.stopped_as is None


async def test_closing_interrupts_all_and_waits_for_a_hanging_store_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reply_tasks, "CLOSE_TIMEOUT_S", 0.05)
    good, refused, hanging = Task("1"), Task("2", refusals=9), Task("3", hangs=True)
    await asyncio.wait_for(keep(good, refused, hanging).close(), 2)
    assert {task.stopped_as for task in (good, refused, hanging)} == {MessageState.INTERRUPTED}
    assert good.saved is not None
