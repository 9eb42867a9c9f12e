from __future__ import annotations

import pytest
from sqlalchemy import event, func, select

from app.domain.feedback import Decision, RankedReply, Ranking, RankingSource
from app.domain.messages import Message
from app.errors import InvalidRequest, JudgementNotFound, MessageNotFound, RankingNotFound
from app.store.tables import RankingItemRow, RankingRow, ReviewRow

from .opened import Opened

RANKING = RankingSource.RANKING


def replies(opened: Opened, texts: str = "ab") -> list[Message]:
    question = opened.question(opened.conversation(), "Hi")
    return [opened.reply(question, text) for text in texts]


def ranked(opened: Opened, *ranks: tuple[Message, int | None], user: str = "local", **more: bool) -> Ranking:
    items = [RankedReply(message.id, rank) for message, rank in ranks]
    return opened.write(lambda r: r.rankings.add(user, RANKING, items, **more))


def test_the_latest_ranking_counts_and_earlier_ones_stay(opened: Opened) -> None:
    a, b = replies(opened)
    first = ranked(opened, (a, 1), (b, 2))
    latest = ranked(opened, (b, 7), (a, 7))
    assert [item.rank for item in latest.items] == [1, 1]  # ranks are dense
    conversation = a.conversation_id
    assert opened.write(lambda r: r.rankings.current(conversation, "local")) == [latest]
    assert opened.write(lambda r: r.rankings.of(conversation)) == [first, latest]


def test_of_what_was_ranked_again_only_the_latest_is_read(opened: Opened) -> None:
    a, b, c = replies(opened, "abc")
    for _ in range(4):
        ranked(opened, (a, 1), (b, 2))
    other = ranked(opened, (a, 1), (c, 1))
    latest = ranked(opened, (b, 1), (a, 2))
    read: list[RankingRow] = []

    def note(row: RankingRow, context: object) -> None:
        read.append(row)

    event.listen(RankingRow, "load", note)
    try:
        current = opened.write(lambda r: r.rankings.current(a.conversation_id, "local"))
    finally:
        event.remove(RankingRow, "load", note)
    assert current == [other, latest]
    assert len(read) == 2


def test_a_withdrawn_ranking_is_written_anew(opened: Opened) -> None:
    a, b = replies(opened)
    given = ranked(opened, (a, 1), (b, 2))
    withdrawn = opened.write(lambda r: r.rankings.withdraw("local", given.id))
    assert (withdrawn.withdrawn, withdrawn.items) == (True, given.items)
    assert opened.write(lambda r: r.rankings.current(a.conversation_id, "local")) == []
    assert len(opened.write(lambda r: r.rankings.of(a.conversation_id))) == 2
    opened.write(lambda r: r.rankings.withdraw("local", given.id))
    assert len(opened.write(lambda r: r.rankings.of(a.conversation_id))) == 2


def test_what_was_ranked_again_is_withdrawn_whichever_id_is_named(opened: Opened) -> None:
    a, b = replies(opened)
    first = ranked(opened, (a, 1), (b, 2))
    ranked(opened, (b, 1), (a, 2))
    opened.write(lambda r: r.rankings.withdraw("local", first.id))
    assert opened.write(lambda r: r.rankings.current(a.conversation_id, "local")) == []


def test_only_ones_own_replies_can_be_ranked_and_only_ones_own_ranking_withdrawn(opened: Opened) -> None:
    a, b = replies(opened)
    with pytest.raises(MessageNotFound):
        ranked(opened, (a, 1), (b, 2), user="stranger")
    given = ranked(opened, (a, 1), (b, 2))
    with pytest.raises(RankingNotFound):
        opened.write(lambda r: r.rankings.withdraw("stranger", given.id))
    assert len(opened.write(lambda r: r.rankings.of(a.conversation_id))) == 1


def test_a_refused_ranking_leaves_nothing(opened: Opened) -> None:
    a, b = replies(opened)
    other = replies(opened, "c")[0]
    for items in ([(a, 1)], [(a, 1), (a, 2)], [(a, 1), (b, None)], [(a, 0), (b, 1)], [(a, 1), (other, 2)]):
        with pytest.raises(InvalidRequest):
            ranked(opened, *items)
    rows = opened.write(lambda r: r.rankings._session.scalar(select(func.count()).select_from(RankingRow)))
    assert rows == 0


def test_a_purged_conversation_takes_its_rankings_and_reviews_along(opened: Opened) -> None:
    a, b = replies(opened)
    given = ranked(opened, (a, 1), (b, 2))
    opened.write(lambda r: r.feedback.review("local", given.id, Decision.EXCLUDED, "spam"))
    (feedback,) = opened.write(lambda r: list(r.feedback.conversations()))
    assert [(x.judgement_id, x.decision, x.note) for x in feedback.reviews] == [(given.id, Decision.EXCLUDED, "spam")]
    opened.write(lambda r: r.imports.end(a.conversation_id))  # deletes the row itself

    def left(r: object) -> list[int]:
        session = r.rankings._session  # type: ignore[attr-defined]
        return [session.scalar(select(func.count()).select_from(t)) for t in (RankingRow, RankingItemRow, ReviewRow)]

    assert opened.write(left) == [0, 0, 0]


def test_only_a_judgement_can_be_reviewed(opened: Opened) -> None:
    with pytest.raises(JudgementNotFound):
        opened.write(lambda r: r.feedback.review("local", "nothing", Decision.ACCEPTED))
