"""What is counted of a random log of several people is what one counts by hand."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from app.domain.feedback import (
    REASONS_DOWN,
    REASONS_UP,
    ConversationFeedback,
    Decision,
    RankedReply,
    RankingSource,
    Verdict,
    current_rankings,
    current_ratings,
    current_reviews,
)
from app.domain.feedback_counts import FeedbackCounts, PlayerCount
from app.domain.messages import Message, Provenance
from app.feedback.judged_replies.counts import counts
from app.feedback.judged_replies.mirror import Mirror
from app.store import Store
from app.store.tables import UserRow
from tests.store.opened import Opened

RATERS = ("local", "ann", "bob")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    store = Store.open(url, tmp_path)
    yield Opened(store, url, tmp_path)
    store.close_now()


def counted(opened: Opened) -> FeedbackCounts:
    return opened.write(lambda r: counts(Mirror().read(r), r.judged_replies))


@pytest.mark.parametrize("seed", range(2))
def test_a_random_log(opened: Opened, seed: int) -> None:
    random_ = random.Random(seed)
    chats = [chat(opened, random_, number) for number in range(6)]
    at = opened.conversation().created_at
    opened.write(lambda r: [r.users._session.merge(UserRow(id=name, name=name, created_at=at)) for name in RATERS[1:]])
    for _ in range(120):
        judge(opened, random_, random_.choice(chats))
    for messages in chats:
        opened.write(lambda r, m=messages[0]: r.ratings.add("local", m.id, Verdict.UP, ("clear",)))  # type: ignore[misc]
    withheld = chats[0][0].conversation_id
    opened.write(lambda r: r.conversations.update("local", withheld, allow_training=False))

    found = counted(opened)
    log = opened.write(lambda r: list(r.feedback.conversations()))
    models = {m.id: m.provenance.model_id for chat in log for m in chat.messages if m.provenance is not None}
    here = [chat for chat in log if chat.conversation.allow_training]
    decided = {key: review.decision for chat in here for key, review in current_reviews(chat.reviews).items()}
    ratings = [r for chat in here for r in current_ratings(chat.ratings) if r.verdict is not Verdict.RETRACTED]
    rankings = [r for chat in here for r in current_rankings(chat.rankings) if not r.withdrawn and not r.is_open]
    assert found.decisions == Counter(decided.get(each.id, Decision.OPEN) for each in (*ratings, *rankings))
    assert found.withheld > 0

    ratings = [each for each in ratings if decided.get(each.id) is not Decision.EXCLUDED]
    rankings = [each for each in rankings if decided.get(each.id) is not Decision.EXCLUDED]
    every = [*ratings, *rankings]
    assert found.judgements == len(every)
    assert found.kinds == Counter([each.verdict for each in ratings]) + Counter([each.source for each in rankings])
    assert {rater: number for rater, _, number in found.raters} == Counter(each.user_id for each in every)
    assert found.reasons == Counter(reason for each in ratings for reason in each.reasons)
    judged = {each.message_id for each in ratings} | {key for each in rankings for key in each.message_ids}
    replies = Counter(models[m.id] for chat in here for m in chat.messages if m.id in models)
    assert set(found.players) == {
        PlayerCount(
            model,
            sum(each.verdict is Verdict.UP and models[each.message_id] == model for each in ratings),
            sum(each.verdict is Verdict.DOWN and models[each.message_id] == model for each in ratings),
            sum(models[key] == model for key in judged),
            replies[model],
        )
        for model in "ab"
    }
    assert sum(length.up + length.down for length in found.lengths) == len(ratings)
    assert [(day.up, day.down, day.rankings) for day in found.days] == [
        (found.kinds["up"], found.kinds["down"], len(rankings))
    ]
    by_reply = Counter(each.message_id for each in ratings)
    assert sum(number for _, number in found.thumbs_by_reply) == sum(number > 1 for number in by_reply.values())
    ranks = [[item.rank for item in each.items] for each in rankings if not each.both_bad]
    assert found.pairs.of_different_length == sum(pair[0] != pair[1] for pair in ranks)
    longer = [
        each.items[0].rank != each.items[1].rank and len(text_of(log, each.items[0].message_id)) == 30
        for each in rankings
        if not each.both_bad
    ]
    assert found.pairs.longer_won == sum(longer)
    assert found.orders_by_pair, "several people ranked the same replies"


def chat(opened: Opened, random_: random.Random, number: int) -> list[Message]:
    asked = opened.question(opened.conversation(), f"Question {number}")
    return [
        opened.reply(asked, "x" * n, provenance=Provenance(model, "d", "f", "e", "q", {}, "p", None, 0, ""))
        for n, model in ((10, "a"), (30, random_.choice("ab")))
    ]


def judge(opened: Opened, random_: random.Random, messages: list[Message]) -> None:
    """Rate or rank, in the name of one of three people."""
    if random_.random() < 0.5:
        reply, verdict = random_.choice(messages), random_.choice((Verdict.UP, Verdict.DOWN))
        reasons = random_.sample(REASONS_UP if verdict is Verdict.UP else REASONS_DOWN, random_.randrange(3))
        given = opened.write(lambda r: r.ratings.add("local", reply.id, verdict, tuple(reasons))).id
    else:
        both_bad = random_.random() < 0.2
        items = [RankedReply(each.id, None if both_bad else random_.randint(1, 2)) for each in messages]
        given = opened.write(lambda r: r.rankings.add("local", RankingSource.RANKING, items, both_bad=both_bad)).id
    if random_.random() < 0.2:
        opened.write(lambda r: r.feedback.review("local", given, random_.choice(list(Decision))))
    values = {"user": random_.choice(RATERS), "id": given}
    for table in ("ratings", "rankings"):
        statement = text(f"UPDATE {table} SET user_id = :user WHERE id = :id")
        opened.write(lambda r, s=statement: r.users._session.execute(s, values))  # type: ignore[misc]


def text_of(log: list[ConversationFeedback], message_id: str) -> str:
    return next(m.content for chat in log for m in chat.messages if m.id == message_id)
