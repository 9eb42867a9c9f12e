"""A reply's end must be durable, however often the store refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from app.chat import reply_task
from app.chat.events import ReplyFailed, ReplyFinished
from app.chat.reply_task import ReplyTask
from app.chat.resumable_events import Channel
from app.chat.running_reply import RunningReply
from app.domain.generation import GenerationRequest
from app.domain.messages import Message, MessageState, Role, Turn
from app.domain.sampling import SamplingParams
from app.engine.loaded import LoadedModel
from app.engine.scripted import Reply, ScriptedEngine
from app.errors import StoreFull
from app.models.manifest import Manifest

pytestmark = pytest.mark.anyio

PENDING = Message("m", "c", None, Role.ASSISTANT, "", MessageState.PENDING, datetime.now(UTC))


class FullStore:
    """Refuses the first `refusals` writes as a full disk does, then keeps what it is given."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.texts: list[str] = []
        self.finished: dict[str, Any] = {}

    async def write(self, work: Callable[[Any], Any]) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise StoreFull("The disk is full. Make room.")
        return work(self)

    @property
    def messages(self) -> FullStore:
        return self

    def set_text(self, message_id: str, text: str, reasoning: str) -> None:
        self.texts.append(text)

    def finish(self, message_id: str, **values: Any) -> Message:
        self.finished = values
        return Message("m", "c", None, Role.ASSISTANT, values["content"], values["state"], datetime.now(UTC))


async def run(store: FullStore, reply: Reply) -> tuple[Channel, Message | None]:
    engine = ScriptedEngine(lambda _: reply)
    await engine.start()
    model = LoadedModel(Manifest("test", "Test", "native", "scripted"), engine, "digest", 4)
    prompt = await model.render([Turn(Role.USER, "Hello")])
    request = GenerationRequest("r", prompt, SamplingParams(seed=1))
    channel, running = Channel(), RunningReply(PENDING)
    channel.start(running)
    task = ReplyTask(store, channel, running, model, request, model.admit("u"), AsyncExitStack())  # type: ignore[arg-type]
    return channel, await task.done


async def test_a_full_disk_delays_the_end_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_task, "FINISH_RETRY_S", (0.01,) * 5)
    store = FullStore(refusals=4)
    channel, done = await run(store, Reply.of("one two three"))
    assert done is not None
    assert store.finished["content"] == "one two three"
    assert isinstance(channel._log[-1][1], ReplyFinished)


async def test_a_disk_full_for_long_is_told_and_nothing_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_task, "FINISH_RETRY_S", (0.01,) * 3)
    store = FullStore(refusals=99)
    channel, done = await run(store, Reply.of("one two three"))
    assert done is None
    last = channel._log[-1][1]
    assert isinstance(last, ReplyFailed)
    assert last.error.code == "store_full"
    assert last.message.content == "one two three"


async def test_text_reaches_the_store_while_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_task, "FLUSH_S", 0.05)
    store = FullStore(refusals=1)  # the first flush fails and is made up for
    text = " ".join(str(n) for n in range(40))
    await run(store, Reply.of(text, delay_ms=10))
    assert len(store.texts) >= 3
    assert all(text.startswith(t) for t in store.texts)
    assert store.texts == sorted(store.texts, key=len)


async def test_stopping_before_the_first_step_still_commits() -> None:
    store = FullStore(refusals=0)
    engine = ScriptedEngine(lambda _: Reply.of("never said"))
    await engine.start()
    model = LoadedModel(Manifest("test", "Test", "native", "scripted"), engine, "digest", 4)
    request = GenerationRequest("r", await model.render([]), SamplingParams(seed=1))
    channel, running = Channel(), RunningReply(PENDING)
    channel.start(running)
    freed = asyncio.Event()
    stack = AsyncExitStack()
    ticket = model.admit("u")
    stack.callback(ticket.release)
    stack.callback(freed.set)
    task = ReplyTask(store, channel, running, model, request, ticket, stack)  # type: ignore[arg-type]
    task.stop()
    done = await asyncio.wait_for(task.done, 2)
    assert done is not None
    assert done.state is MessageState.CANCELLED
    assert freed.is_set()
    assert model.queue.running == 0
