from __future__ import annotations

from app.domain.feedback import Decision, RankedReply, RankingSource, Verdict
from app.store import Repositories

from .opened import Opened


def test_each_of_many_conversations_has_its_own_judgements(opened: Opened) -> None:
    """More of them than are read together."""

    def work(r: Repositories) -> dict[str, tuple[list[str], list[str], list[Decision]]]:
        given = {}
        for conversation, question, replies in chats:
            ratings = [r.ratings.add("local", reply.id, Verdict.UP).id for reply in replies]
            items = [RankedReply(reply.id, rank) for rank, reply in enumerate(replies, 1)]
            ranking = r.rankings.add("local", RankingSource.RANKING, items)
            assert ranking.prompt_id == question.id
            decisions = [Decision.ACCEPTED, Decision.EXCLUDED, Decision.OPEN]
            for decision, judgement_id in zip(decisions, (ranking.id, ratings[0], ranking.id), strict=True):
                r.feedback.review("local", judgement_id, decision)
            given[conversation.id] = ratings, [ranking.id], decisions
        return given

    chats = []
    for number in range(130):
        conversation = opened.conversation()
        question = opened.question(conversation, f"Question {number}")
        chats.append((conversation, question, [opened.reply(question, text) for text in ("one", "two")]))
    given = opened.write(work)
    found = opened.write(lambda r: list(r.feedback.conversations()))
    assert [each.conversation.id for each in found] == sorted(given)
    for each in found:
        ratings, rankings, decisions = given[each.conversation.id]
        assert [rating.id for rating in each.ratings] == ratings
        assert [ranking.id for ranking in each.rankings] == rankings
        assert [review.decision for review in each.reviews] == decisions
        assert [message.content for message in each.messages][1:] == ["one", "two"]
    some = sorted(given)[3:5]
    found = opened.write(lambda r: list(r.feedback.conversations(some)))
    assert [each.conversation.id for each in found] == some
