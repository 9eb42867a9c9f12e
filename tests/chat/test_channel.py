from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from app.chat.channel import LOG_LENGTH, Channel, Hub, RunningReply
from app.chat.events import ConversationDeleted, Event, MessageAdded, ReplyDelta, ReplyFinished, Reset, Snapshot
from app.domain.messages import Message, MessageState, Role

pytestmark = pytest.mark.anyio


def message(message_id: str, content: str = "", state: MessageState = MessageState.PENDING) -> Message:
    return Message(message_id, "c", None, Role.ASSISTANT, content, state, datetime.now(UTC))


async def write(channel: Channel, message_id: str, pieces: list[str], pause_s: float = 0) -> None:
    channel.publish(MessageAdded(message(message_id)))
    reply = RunningReply(message_id)
    channel.start(reply)
    for piece in pieces:
        reply.append(piece)
        channel.notify()
        await asyncio.sleep(pause_s)
    channel.publish(ReplyFinished(message(message_id, "".join(pieces), MessageState.COMPLETE)))


class Watcher:
    """Rebuilds texts from events, as a page does, and may pause, leave and come back."""

    def __init__(self, channel: Channel, rng: random.Random) -> None:
        self.channel, self.rng = channel, rng
        self.texts: dict[str, str] = {}
        self.finished: list[str] = []
        self.place: str | None = None

    async def watch(self, n_replies: int) -> None:
        while len(self.finished) < n_replies:
            async with aclosing(self.channel.watch(self.place, heartbeat_s=5)) as events:
                async for self.place, event in events:
                    self.take(event)
                    if len(self.finished) == n_replies:
                        return
                    if self.rng.random() < 0.1:
                        break  # the connection drops
                    if self.rng.random() < 0.2:
                        await asyncio.sleep(self.rng.random() * 0.05)
            await asyncio.sleep(self.rng.random() * 0.05)

    def take(self, event: Event | None) -> None:
        match event:
            case Reset():
                raise AssertionError("nothing was forgotten, so there is no reason to reset")
            case Snapshot(running):
                self.texts.update({r.message_id: r.text for r in running})
            case ReplyDelta(message_id, offset, text):
                assert offset == len(self.texts.get(message_id, "")), "lost, doubled or reordered"
                self.texts[message_id] = self.texts.get(message_id, "") + text
            case ReplyFinished(done):
                self.finished.append(done.id)
                # What was missed while away comes with the end; what was seen must be a prefix of it.
                assert done.content.startswith(self.texts.get(done.id, ""))
                self.texts[done.id] = done.content


@pytest.mark.parametrize("seed", range(5))
async def test_watchers_that_pause_leave_and_resume_miss_nothing(seed: int) -> None:
    rng = random.Random(seed)
    channel = Channel()
    replies = {f"m{n}": [f"{n}:{i} 字🎉 " for i in range(60)] for n in range(6)}
    watchers = [Watcher(channel, random.Random(seed * 100 + n)) for n in range(8)]
    watching = [asyncio.create_task(w.watch(len(replies))) for w in watchers]
    await asyncio.gather(*(write(channel, k, pieces, pause_s=rng.random() * 0.01) for k, pieces in replies.items()))
    await asyncio.wait_for(asyncio.gather(*watching), 20)
    for watcher in watchers:
        assert watcher.texts == {k: "".join(pieces) for k, pieces in replies.items()}
        assert sorted(watcher.finished) == sorted(replies)
    assert channel.watchers == 0


async def test_a_steady_watcher_gets_every_character_as_deltas() -> None:
    channel = Channel()
    seen: list[str] = []

    async def watch() -> None:
        async with aclosing(channel.watch(None, 5)) as events:
            async for _, event in events:
                if isinstance(event, ReplyDelta):
                    seen.append(event.text)
                if isinstance(event, ReplyFinished):
                    return

    task = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await write(channel, "m", [f"{n} " for n in range(300)], pause_s=0.001)
    await asyncio.wait_for(task, 5)
    assert "".join(seen) == "".join(f"{n} " for n in range(300))
    assert len(seen) < 60, "deltas must be coalesced to about thirty a second"


async def test_a_stalled_watcher_costs_nothing_and_catches_up() -> None:
    channel = Channel()
    async with aclosing(channel.watch(None, 5)) as events:
        assert isinstance((await anext(events))[1], Snapshot)
        await write(channel, "m", ["x"] * 5000)
        got = [(await anext(events))[1] for _ in range(3)]
    assert [type(e) for e in got] == [MessageAdded, ReplyDelta, ReplyFinished]


async def test_a_watcher_behind_the_log_starts_again() -> None:
    channel = Channel()
    async with aclosing(channel.watch(None, 5)) as events:
        await anext(events)
        for _ in range(LOG_LENGTH + 10):
            channel.publish(ConversationDeleted())
        assert [type((await anext(events))[1]) for _ in range(2)] == [Reset, Snapshot]
        channel.publish(ConversationDeleted())
        assert isinstance((await anext(events))[1], ConversationDeleted)


async def test_what_happens_while_a_reset_is_being_sent_is_told_after_it() -> None:
    channel = Channel()
    async with aclosing(channel.watch("another-1", 5)) as events:
        assert isinstance((await anext(events))[1], Reset)
        channel.publish(ConversationDeleted())  # the watcher may have read the conversation anew before this
        assert [type((await anext(events))[1]) for _ in range(2)] == [Snapshot, ConversationDeleted]
        for _ in range(LOG_LENGTH + 10):
            channel.publish(ConversationDeleted())
        assert isinstance((await anext(events))[1], Reset)
        channel.publish(ConversationDeleted())
        assert [type((await anext(events))[1]) for _ in range(2)] == [Snapshot, ConversationDeleted]


async def test_closing_the_hub_ends_all_watching() -> None:
    hub = Hub()

    async def watch() -> None:
        async with aclosing(hub.channel("c").watch(None, 60)) as events:
            async for _ in events:
                pass

    tasks = [asyncio.create_task(watch()) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert hub.watchers == 5
    hub.close()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert [e async for _, e in hub.channel("another").watch(None, 60)] == [Snapshot(())]


async def test_unused_channels_are_forgotten() -> None:
    hub = Hub(keep_s=0)
    first = hub.channel("a")
    await asyncio.sleep(0.01)
    hub.channel("b")
    assert hub.channel("a") is not first
