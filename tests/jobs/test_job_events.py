"""Subscribers get all jobs of their user, then each change in its order, and only the newest of many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from app.jobs.job_events import JobChanged, JobEvent, JobRemoved, JobsListed

from .conftest import USER, Running

pytestmark = pytest.mark.anyio


async def next_event(events: AsyncIterator[JobEvent | None]) -> JobEvent:
    async with asyncio.timeout(20):
        while (event := await anext(events)) is None:
            pass
    return event


async def test_first_all_then_each_change_in_its_order(jobs: Running) -> None:
    before = await jobs.add("a")
    await jobs.at_work(before)
    async with aclosing(jobs.service.subscribe(USER, 30)) as events:
        listed = await next_event(events)
        assert isinstance(listed, JobsListed)
        assert [(job.id, job.state) for job in listed.jobs] == [(before.id, "running")]
        job = await jobs.add("b")
        seen = []
        jobs.gate.touch()
        while not seen or seen[-1] != (job.id, "done"):
            event = await next_event(events)
            assert isinstance(event, JobChanged)
            seen.append((event.job.id, str(event.job.state)))
        states = [state for job_id, state in dict.fromkeys(seen) if job_id == job.id]
        assert states == [state for state in ("queued", "running", "done") if state in states]
        await jobs.service.forget(USER, job.id)
        while not isinstance(event := await next_event(events), JobRemoved):
            pass
        assert event.job_id == job.id


async def test_a_slow_subscriber_gets_the_newest_of_many_changes(jobs: Running) -> None:
    async with aclosing(jobs.service.subscribe(USER, 30)) as events:
        await next_event(events)
        jobs.gate.touch()
        job = await jobs.ended(await jobs.add(rows=2000))
        event = await next_event(events)
        assert isinstance(event, JobChanged)
        assert event.job == job


async def test_the_jobs_of_others_are_not_told(jobs: Running) -> None:
    async with aclosing(jobs.service.subscribe("other", 0.3)) as events:
        assert await next_event(events) == JobsListed([])
        jobs.gate.touch()
        await jobs.ended(await jobs.add())
        for _ in range(3):
            async with asyncio.timeout(20):
                assert await anext(events) is None  # only heartbeats


async def test_the_end_of_the_server_ends_subscriptions(jobs: Running) -> None:
    async with aclosing(jobs.service.subscribe(USER, 30)) as events:
        await next_event(events)
        await jobs.service.close()
        async with asyncio.timeout(5):
            assert [event async for event in events] in ([], [None])
