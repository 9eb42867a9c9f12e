from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from app.chat.events import (
    ConversationDeleted,
    Event,
    MessageAdded,
    ReplyDelta,
    ReplyFinished,
    ReplyStarted,
    Reset,
    Snapshot,
)
from app.chat.resumable_events import LOG_LENGTH, Channel
from app.chat.running_reply import RunningReply
from app.domain.messages import Message, MessageState, Role

pytestmark = pytest.mark.anyio


def message(message_id: str, content: str = "", state: MessageState = MessageState.PENDING) -> Message:
    return Message(message_id, "c", None, Role.ASSISTANT, content, state, datetime.now(UTC))


def begin(channel: Channel, message_id: str, prefill: str = "") -> RunningReply:
    reply = RunningReply(message(message_id, prefill))
    channel.start(reply)
    return reply


def say(channel: Channel, reply: RunningReply, text: str) -> None:
    reply.append(text)
    channel.notify()


def end(channel: Channel, reply: RunningReply) -> None:
    channel.publish(ReplyFinished(message(reply.message_id, reply.text, MessageState.COMPLETE)))


async def write(channel: Channel, message_id: str, pieces: list[str], pause_s: float = 0) -> None:
    reply = begin(channel, message_id)
    for piece in pieces:
        say(channel, reply, piece)
        await asyncio.sleep(pause_s)
    end(channel, reply)


async def told(channel: Channel, last_event_id: str | None, n: int) -> list[Event | None]:
    """The first `n` events of a new subscriber."""
    async with aclosing(channel.subscribe(last_event_id, 5)) as events:
        return [(await anext(events))[1] for _ in range(n)]


class Subscriber:
    """Rebuilds texts from events, as a page does, and may pause, leave and come back."""

    def __init__(self, channel: Channel, rng: random.Random) -> None:
        self.channel, self.rng = channel, rng
        self.texts: dict[str, str] = {}
        self.finished: list[str] = []
        self.place: str | None = None

    async def read(self, n_replies: int) -> None:
        while len(self.finished) < n_replies:
            begun: set[str] = set()  # replies with a delta since the last connection
            first = self.place is None
            async with aclosing(self.channel.subscribe(self.place, heartbeat_s=5)) as events:
                async for self.place, event in events:
                    assert first or not isinstance(event, Reset | Snapshot), "what is replayed needs no snapshot"
                    self.take(event, begun)
                    if len(self.finished) == n_replies:
                        return
                    if self.rng.random() < 0.1:
                        break  # the connection drops
                    if self.rng.random() < 0.2:
                        await asyncio.sleep(self.rng.random() * 0.05)
            await asyncio.sleep(self.rng.random() * 0.05)

    def take(self, event: Event | None, begun: set[str]) -> None:
        match event:
            case Snapshot(running):
                self.texts.update({r.message_id: r.text for r in running})
            case ReplyDelta(message_id, offset, text):
                known = self.texts.get(message_id, "")
                again = offset == 0 and message_id not in begun and text.startswith(known)
                assert again or offset == len(known), "lost, doubled or reordered"
                self.texts[message_id] = known[:offset] + text
                begun.add(message_id)
            case ReplyFinished(done):
                self.finished.append(done.id)
                # What was missed while away comes with the end; what was seen must be a prefix of it.
                assert done.content.startswith(self.texts.get(done.id, ""))
                self.texts[done.id] = done.content


@pytest.mark.parametrize("seed", range(5))
async def test_subscribers_that_pause_leave_and_resume_miss_nothing(seed: int) -> None:
    rng = random.Random(seed)
    channel = Channel()
    replies = {f"m{n}": [f"{n}:{i} 字🎉 " for i in range(60)] for n in range(6)}
    subscribers = [Subscriber(channel, random.Random(seed * 100 + n)) for n in range(8)]
    reading = [asyncio.create_task(s.read(len(replies))) for s in subscribers]
    await asyncio.gather(*(write(channel, k, pieces, pause_s=rng.random() * 0.01) for k, pieces in replies.items()))
    await asyncio.wait_for(asyncio.gather(*reading), 20)
    for subscriber in subscribers:
        assert subscriber.texts == {k: "".join(pieces) for k, pieces in replies.items()}
        assert sorted(subscriber.finished) == sorted(replies)
    assert channel.subscribers == 0


async def test_a_steady_subscriber_gets_every_character_as_deltas() -> None:
    channel = Channel()
    seen: list[str] = []

    async def read() -> None:
        async with aclosing(channel.subscribe(None, 5)) as events:
            async for _, event in events:
                if isinstance(event, ReplyDelta):
                    seen.append(event.text)
                if isinstance(event, ReplyFinished):
                    return

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    await write(channel, "m", [f"{n} " for n in range(300)], pause_s=0.001)
    await asyncio.wait_for(task, 5)
    assert "".join(seen) == "".join(f"{n} " for n in range(300))
    assert len(seen) < 60, "deltas must be coalesced to about thirty a second"


async def test_a_stalled_subscriber_costs_nothing_and_catches_up() -> None:
    channel = Channel()
    async with aclosing(channel.subscribe(None, 5)) as events:
        assert isinstance((await anext(events))[1], Snapshot)
        await write(channel, "m", ["x"] * 5000)
        got = [(await anext(events))[1] for _ in range(4)]
    assert [type(e) for e in got] == [MessageAdded, ReplyStarted, ReplyDelta, ReplyFinished]


async def test_resuming_replays_what_was_missed_and_known_replies_from_their_beginning() -> None:
    channel = Channel()
    known = begin(channel, "known", prefill="Once ")
    say(channel, known, "upon")
    place = channel.event_id
    await write(channel, "missed", ["all of it"])
    say(channel, known, " a time")
    events = await told(channel, place, 5)
    assert [type(e) for e in events] == [MessageAdded, ReplyStarted, ReplyDelta, ReplyFinished, ReplyDelta]
    assert events[4] == ReplyDelta("known", 0, "Once upon a time")


async def test_a_continued_reply_is_told_after_the_text_it_begins_with() -> None:
    channel = Channel()
    place = channel.event_id
    reply = begin(channel, "m", prefill="Once ")
    say(channel, reply, "upon")
    assert (await told(channel, place, 2))[1] == ReplyDelta("m", 5, "upon")
    end(channel, reply)
    assert (await told(channel, place, 3))[2] == ReplyDelta("m", 5, "upon")


@pytest.mark.parametrize("place", ["another-1", "-", "x" * 64, "{epoch}-1", "{epoch}-99999"])
async def test_a_place_that_the_log_does_not_reach_is_reset(place: str) -> None:
    channel = Channel()
    say(channel, begin(channel, "m"), "text")
    for _ in range(LOG_LENGTH + 10):
        channel.publish(ConversationDeleted())
    reset, snapshot = await told(channel, place.format(epoch=channel.epoch), 2)
    assert isinstance(reset, Reset)
    assert isinstance(snapshot, Snapshot)
    assert [r.text for r in snapshot.running] == ["text"]


async def test_a_subscriber_behind_the_log_is_reset() -> None:
    channel = Channel()
    async with aclosing(channel.subscribe(None, 5)) as events:
        await anext(events)
        for _ in range(2):
            for _ in range(LOG_LENGTH + 10):
                channel.publish(ConversationDeleted())
            assert [type((await anext(events))[1]) for _ in range(2)] == [Reset, Snapshot]
        channel.publish(ConversationDeleted())
        assert isinstance((await anext(events))[1], ConversationDeleted)


async def test_what_happens_while_a_reset_is_being_sent_is_told_after_it() -> None:
    channel = Channel()
    async with aclosing(channel.subscribe("another-1", 5)) as events:
        assert isinstance((await anext(events))[1], Reset)
        channel.publish(ConversationDeleted())  # the subscriber may have read the conversation anew before this
        assert [type((await anext(events))[1]) for _ in range(2)] == [Snapshot, ConversationDeleted]


async def test_following_a_reply_ends_even_when_its_end_has_left_the_log() -> None:
    channel = Channel()
    reply = begin(channel, "m")
    async with aclosing(channel.follow(reply, 5)) as events:
        assert (await anext(events))[1] == MessageAdded(reply.message)
        say(channel, reply, "text")
        end(channel, reply)
        place = channel.event_id
        for _ in range(LOG_LENGTH + 10):
            channel.publish(ConversationDeleted())
        rest = [entry async for entry in events]
    assert [type(event) for _, event in rest] == [ReplyDelta, ReplyFinished]
    assert rest[-1][0] == place
    assert channel.subscribers == 0


async def test_following_a_reply_can_be_resumed_from_any_of_its_events() -> None:
    channel = Channel()
    reply = begin(channel, "m")
    async with aclosing(channel.follow(reply, 5)) as events:
        await anext(events)
        say(channel, reply, "some ")
        place, event = await anext(events)
        assert event == ReplyDelta("m", 0, "some ")
        say(channel, reply, "text")
        end(channel, reply)
        later, event = await anext(events)
        assert event == ReplyDelta("m", 5, "text")
    for at in (place, later):
        assert isinstance((await told(channel, at, 1))[0], ReplyFinished)


async def test_closing_tells_what_has_happened_first() -> None:
    channel = Channel()
    reply = begin(channel, "m")
    async with aclosing(channel.subscribe(channel.event_id, 5)) as events:
        task = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        end(channel, reply)
        channel.closed = True
        channel.notify()
        assert isinstance((await task)[1], ReplyFinished)
        assert [e async for e in events] == []


async def test_silence_is_filled_with_heartbeats() -> None:
    channel = Channel()
    async with aclosing(channel.subscribe(channel.event_id, 0.01)) as events:
        assert await anext(events) == (channel.event_id, None)
    async with aclosing(channel.follow(begin(channel, "m"), 0.01)) as events:
        await anext(events)
        assert (await anext(events))[1] is None
