from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest
from sqlalchemy import event
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.domain.messages import MessageState, Role
from app.errors import InvalidRequest, StoreError
from app.store import Repositories
from app.store.writer import GROUP

from .opened import Opened

pytestmark = pytest.mark.anyio


class Gate:
    """A work that holds the writer until it is let go, so that others gather behind it."""

    def __init__(self, opened: Opened) -> None:
        self._go, held = threading.Event(), threading.Event()

        def hold(_: Repositories) -> None:
            held.set()
            assert self._go.wait(30)

        self.done = opened.store.submit(hold)
        assert held.wait(30)

    def open(self) -> None:
        self._go.set()
        self.done.result(30)


def count_commits(opened: Opened) -> list[None]:
    commits: list[None] = []
    event.listen(opened.store._writing, "commit", lambda _: commits.append(None))
    return commits


async def test_works_that_wait_share_one_commit(opened: Opened) -> None:
    commits = count_commits(opened)
    gate = Gate(opened)
    titles = [str(i) for i in range(100)]
    writes = [
        asyncio.ensure_future(opened.store.write(lambda r, t=t: r.conversations.create("local", title=t)))
        for t in titles
    ]
    await asyncio.sleep(0)
    gate.open()
    made = await asyncio.gather(*writes)
    assert [c.title for c in made] == titles
    assert len(commits) == 2  # the gate's own, and one for all hundred
    assert len(await opened.store.read(lambda r: r.conversations.list("local", limit=200))) == 100


def test_a_group_is_bounded(opened: Opened) -> None:
    commits = count_commits(opened)
    gate = Gate(opened)
    futures = [opened.store.submit(lambda r: r.users.ensure_local()) for _ in range(GROUP + 1)]
    gate.open()
    assert {f.result(30) for f in futures} == {"local"}
    assert len(commits) == 3


def test_a_work_that_fails_undoes_its_own_changes_only(opened: Opened) -> None:
    def fail(r: Repositories) -> None:
        r.conversations.create("local", title="never")
        raise InvalidRequest("no")

    def crash(r: Repositories) -> None:
        r.conversations.create("local", title="never either")
        raise ZeroDivisionError

    gate = Gate(opened)
    before = opened.store.submit(lambda r: r.conversations.create("local", title="before"))
    failing, crashing = opened.store.submit(fail), opened.store.submit(crash)
    after = opened.store.submit(lambda r: r.conversations.create("local", title="after"))
    gate.open()
    with pytest.raises(InvalidRequest):
        failing.result(30)
    with pytest.raises(ZeroDivisionError):
        crashing.result(30)
    assert (before.result(30).title, after.result(30).title) == ("before", "after")
    listed = opened.write(lambda r: r.conversations.list("local", limit=9))
    assert {c.title for c in listed} == {"before", "after"}


def test_a_broken_constraint_fails_its_own_work_only(opened: Opened) -> None:
    gate = Gate(opened)
    bad = opened.store.submit(lambda r: r.conversations.create("nobody"))
    good = opened.store.submit(lambda r: r.conversations.create("local", title="good"))
    gate.open()
    assert bad.exception(30) is not None
    assert good.result(30).title == "good"


def test_answers_come_after_the_commit(opened: Opened) -> None:
    events: list[str] = []
    event.listen(opened.store._writing, "commit", lambda _: events.append("commit"))
    gate = Gate(opened)
    future: Future[object] = opened.store.submit(lambda r: events.append("work"))
    future.add_done_callback(lambda _: events.append("answer"))
    gate.open()
    future.result(30)
    opened.write(lambda r: None)
    assert events[:4] == ["commit", "work", "commit", "answer"]


async def test_a_caller_that_gives_up_before_its_turn_writes_nothing(opened: Opened) -> None:
    gate = Gate(opened)
    write = asyncio.ensure_future(opened.store.write(lambda r: r.conversations.create("local", title="never")))
    await asyncio.sleep(0)
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    gate.open()
    assert await opened.store.read(lambda r: r.conversations.list("local", limit=9)) == []


def test_an_error_of_the_database_layer_does_not_end_the_writer(opened: Opened) -> None:
    def no_connection(_: object) -> None:
        raise PoolTimeout("none is free")

    event.listen(opened.store._writing, "begin", no_connection)
    with pytest.raises(PoolTimeout):
        opened.store.submit(lambda r: r.conversations.create("local")).result(5)
    event.remove(opened.store._writing, "begin", no_connection)
    assert opened.store.submit(lambda r: r.conversations.create("local")).result(5)


def test_closing_saves_what_waits_and_takes_no_more(opened: Opened) -> None:
    futures = [opened.store.submit(lambda r: r.conversations.create("local")) for _ in range(50)]
    opened.store.close_now()
    assert len({f.result(0).id for f in futures}) == 50
    with pytest.raises(StoreError, match="stopping"):
        opened.store.submit(lambda r: None)
    opened.store.close_now()


async def test_readers_cannot_write(opened: Opened) -> None:
    with pytest.raises(Exception, match=r"permissions|read-only"):
        await opened.store.read(lambda r: r.conversations.create("local"))
    assert await opened.store.read(lambda r: r.conversations.list("local", limit=9)) == []


async def test_a_reader_sees_one_moment(opened: Opened) -> None:
    conversation = opened.conversation()

    def look(r: Repositories) -> tuple[int, int]:
        first = len(r.messages.all(conversation.id))
        opened.question(conversation, "written meanwhile")
        return first, len(r.messages.all(conversation.id))

    assert await opened.store.read(look) == (0, 0)
    assert await opened.store.read(lambda r: len(r.messages.all(conversation.id))) == 1


async def test_many_write_and_read_at_once(opened: Opened) -> None:
    conversation = opened.conversation()
    root = opened.question(conversation, "Hi")

    async def chat(n: int) -> None:
        reply = await opened.store.write(
            lambda r: r.messages.add(conversation.id, root.id, Role.ASSISTANT, "", MessageState.PENDING)
        )
        for i in range(5):
            await opened.store.write(lambda r, i=i: r.messages.set_text(reply.id, f"{n}:" + "x" * i))
            assert (await opened.store.read(lambda r: r.messages.get("local", reply.id))).content == f"{n}:" + "x" * i
        await opened.store.write(lambda r: r.messages.finish(reply.id, MessageState.COMPLETE, content=f"{n}: done"))

    await asyncio.gather(*(chat(n) for n in range(20)))
    contents = {m.content for m in await opened.store.read(lambda r: r.messages.all(conversation.id))}
    assert contents == {"Hi", *(f"{n}: done" for n in range(20))}
