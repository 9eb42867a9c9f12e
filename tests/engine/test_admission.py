from __future__ import annotations

import asyncio
import random

import pytest

from app.engine.admission import AdmissionQueue, Ticket
from app.errors import QueueFull

pytestmark = pytest.mark.anyio


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def served(queue: AdmissionQueue, tickets: list[Ticket]) -> list[Ticket]:
    """The order in which all waiting `tickets` are admitted when replies end one by one."""
    order: list[Ticket] = []
    while waiting := [t for t in tickets if not t.admitted and not t.released]:
        next(t for t in tickets if t.admitted).release()
        order += [t for t in waiting if t.admitted]
    return order


async def test_users_take_turns_and_each_ones_requests_keep_their_order() -> None:
    queue = AdmissionQueue(1, 100)
    running = queue.admit("x")
    tickets = [queue.admit(user) for user in "aaaabbc"]
    assert [t.position for t in tickets] == [1, 4, 6, 7, 2, 5, 3]
    assert served(queue, [running, *tickets]) == [tickets[i] for i in (0, 4, 6, 1, 5, 2, 3)]


@pytest.mark.parametrize("seed", range(60))
async def test_whatever_happens_slots_are_kept_and_used(seed: int) -> None:
    chance = random.Random(seed)
    slots, max_waiting = chance.randint(1, 4), chance.randint(0, 8)
    queue = AdmissionQueue(slots, max_waiting)
    alive: list[Ticket] = []
    for _ in range(300):
        if chance.random() < 0.55:
            full = queue.running == slots and queue.waiting == max_waiting
            if full:
                with pytest.raises(QueueFull) as refused:
                    queue.admit("f")
                assert refused.value.details["waiting"] == max_waiting
                assert 1 <= refused.value.details["retry_after_s"] <= 120  # type: ignore[operator]
            else:
                alive.append(queue.admit(chance.choice("abcde")))
        elif alive:
            ticket = alive.pop(chance.randrange(len(alive)))
            ticket.release()
            ticket.release()
        admitted = [t for t in alive if t.admitted]
        waiting = [t for t in alive if not t.admitted]
        assert queue.running == len(admitted) <= slots
        assert queue.waiting == len(waiting) <= max_waiting
        assert not waiting or len(admitted) == slots  # no slot idles while someone waits
        assert sorted(t.position for t in waiting) == list(range(1, len(waiting) + 1))
        for user in "abcde":
            own = [t.position for t in waiting if t.user_id == user]
            assert own == sorted(own)
    for ticket in alive:
        ticket.release()
    assert queue.running == queue.waiting == 0


async def test_nobody_waits_longer_than_a_round() -> None:
    queue = AdmissionQueue(2, 1000)
    flood = [queue.admit("greedy") for _ in range(500)]
    patient = queue.admit("patient")
    assert patient.position == 2
    flood[0].release()
    flood[1].release()
    assert patient.admitted


async def test_a_ticket_tells_its_place_whenever_it_changes() -> None:
    queue = AdmissionQueue(1, 10)
    tickets = [queue.admit("a") for _ in range(4)]
    told: list[int] = []

    async def watch() -> None:
        async for position in tickets[3].positions():
            told.append(position)

    watching = asyncio.create_task(watch())
    for ticket in tickets[:3]:
        await asyncio.sleep(0.01)
        ticket.release()
    await asyncio.wait_for(watching, 1)
    assert told == [3, 2, 1]
    assert tickets[3].admitted
    assert [p async for p in tickets[3].positions()] == []


async def test_giving_up_ends_the_wait() -> None:
    queue = AdmissionQueue(1, 10)
    with queue.admit("a"):
        waiting = queue.admit("a")
        watching = asyncio.create_task(anext(waiting.positions()))
        assert await watching == 1
        rest = waiting.positions()
        assert await anext(rest) == 1
        ending = asyncio.create_task(anext(rest, None))
        await asyncio.sleep(0)
        waiting.release()
        assert await asyncio.wait_for(ending, 1) is None
        assert not waiting.admitted
        assert queue.waiting == 0
    assert queue.running == 0


async def test_when_to_come_back_is_learnt_from_recent_replies() -> None:
    clock = Clock()
    queue = AdmissionQueue(2, 0, clock=clock)
    for _ in range(5):
        ticket = queue.admit("a")
        clock.now_s += 30
        ticket.release()
    queue.admit("a")
    queue.admit("b")
    with pytest.raises(QueueFull) as refused:
        queue.admit("c")
    assert refused.value.details["retry_after_s"] == 15
