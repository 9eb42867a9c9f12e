"""The judged replies in memory are those of the store after every kind of change, and only what changed is read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.feedback import Decision, RankedReply, RankingSource, Verdict
from app.domain.messages import Message, Provenance
from app.domain.review import JudgementFilter
from app.feedback.judged_replies.mirror import Judged, Mirror
from app.store import Repositories, Store
from app.store.repositories import judged_replies
from tests.store.opened import Opened


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    store = Store.open(url, tmp_path)
    yield Opened(store, url, tmp_path)
    store.close_now()


def rows(judged: Judged) -> set[tuple[Any, ...]]:
    """All values, with texts in place of numbers."""
    columns = judged.replies
    values: list[list[Any]] = [judged.withheld.tolist(), judged.counted.tolist()]
    for name in type(columns).__slots__:
        column = getattr(columns, name).tolist()
        if name in judged.names:
            column = [None if number < 0 else judged.names[name][number] for number in column]
        values.append(column)
    return set(zip(*values, strict=True))


def chat(opened: Opened, number: int) -> list[Message]:
    asked = opened.question(opened.conversation(), f"Question {number}")
    return [
        opened.reply(asked, "x" * n, provenance=Provenance(f"m{n}", "d", "f", "e", "q", {}, "p", None, 0, ""))
        for n in (1, 2)
    ]


def change(opened: Opened, random_: random.Random, chats: list[list[Message]]) -> None:
    """Rate, rank, decide, withdraw consent, put into the trash or delete."""
    messages = random_.choice(chats)
    key = messages[0].conversation_id
    kind = random_.randrange(8)
    if kind < 3:
        reply, verdict = random_.choice(messages), random_.choice(list(Verdict))
        opened.write(lambda r: r.ratings.add("local", reply.id, verdict))
    elif kind == 3:
        items = [RankedReply(message.id, random_.randint(1, 2)) for message in messages]
        opened.write(lambda r: r.rankings.add("local", RankingSource.RANKING, items))
    elif kind == 4:
        listed = opened.write(lambda r: r.judgements.page(JudgementFilter(), limit=50)).items
        given = random_.choice([each.id for each in listed] or [None])
        if given is not None:
            opened.write(lambda r: r.feedback.review("local", given, random_.choice(list(Decision))))
    elif kind == 5:
        opened.write(lambda r: r.conversations.update("local", key, allow_training=random_.random() < 0.5))
    elif kind == 6:
        chats.remove(messages)
        opened.write(lambda r: r.conversations.delete("local", key))
        chats.append(chat(opened, random_.randrange(10)))
    else:
        chats.remove(messages)
        opened.write(lambda r: r.imports.end(key))
        chats.append(chat(opened, random_.randrange(10)))


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_the_store_says(opened: Opened, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(judged_replies, "BLOCK", 8)
    random_, mirror = random.Random(seed), Mirror()
    chats = [chat(opened, number) for number in range(8)]
    most = 0
    for _ in range(60):
        change(opened, random_, chats)
        kept = opened.write(mirror.read)
        assert rows(kept) == rows(opened.write(Mirror().read))
        most = max(most, len(kept.replies))
    assert most > 8


def test_only_blocks_that_have_changed_are_read(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judged_replies, "BLOCK", 4)
    chats = [chat(opened, number) for number in range(6)]
    for messages in chats:
        for message in messages:
            opened.write(lambda r, m=message: r.ratings.add("local", m.id, Verdict.UP))  # type: ignore[misc]
    mirror, read = Mirror(), []

    def reading(r: Repositories) -> Judged:
        in_block = r.judged_replies.in_block

        def note(place: int) -> Any:
            read.append(place)
            return in_block(place)

        monkeypatch.setattr(r.judged_replies, "in_block", note)
        return mirror.read(r)

    opened.write(reading)
    assert read == [0, 1, 2, 3], "ids from 1 to 12"
    read.clear()
    opened.write(reading)
    assert read == []
    opened.write(lambda r: r.ratings.add("local", chats[0][0].id, Verdict.DOWN))
    opened.write(reading)
    assert read == [0, 3], "where the reply was, and where it is now"
