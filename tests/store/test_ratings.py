from __future__ import annotations

import pytest

from app.domain.feedback import Verdict
from app.errors import InvalidRequest, MessageNotFound

from .opened import Opened


def test_the_latest_rating_counts_and_earlier_ones_stay(opened: Opened) -> None:
    conversation = opened.conversation()
    reply = opened.reply(opened.question(conversation, "Hi"), "Hello")
    other = opened.reply(opened.question(conversation, "Hi again"), "Hello again")
    opened.write(lambda r: r.ratings.add("local", reply.id, Verdict.DOWN, ("wrong", "wrong", "other"), "no 不", 2))
    opened.write(lambda r: r.ratings.add("local", other.id, Verdict.UP))
    latest = opened.write(lambda r: r.ratings.add("local", reply.id, Verdict.UP))
    assert opened.write(lambda r: r.ratings.latest(conversation.id, "local"))[reply.id] == latest
    opened.write(lambda r: r.ratings.add("local", reply.id, Verdict.RETRACTED))
    assert set(opened.write(lambda r: r.ratings.latest(conversation.id, "local"))) == {other.id}
    (rated,) = opened.write(lambda r: list(r.feedback.conversations()))
    assert [(x.message_id, x.verdict) for x in rated.ratings] == [
        (reply.id, Verdict.DOWN),
        (other.id, Verdict.UP),
        (reply.id, Verdict.UP),
        (reply.id, Verdict.RETRACTED),
    ]
    first = rated.ratings[0]
    assert (first.reasons, first.comment, first.score) == (("wrong", "other"), "no 不", 2)


def test_only_ones_own_replies_can_be_rated(opened: Opened) -> None:
    question = opened.question(opened.conversation(), "Hi")
    reply = opened.reply(question, "Hello")
    with pytest.raises(MessageNotFound):
        opened.write(lambda r: r.ratings.add("stranger", reply.id, Verdict.UP))
    with pytest.raises(InvalidRequest, match="Only replies"):
        opened.write(lambda r: r.ratings.add("local", question.id, Verdict.UP))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"reasons": ("boring",)}, "reasons"),
        ({"score": 0}, "score"),
        ({"score": 11}, "score"),
        ({"score": True}, "score"),
        ({"comment": "x" * 4001}, "comment"),
        ({"comment": "\ud83c"}, "comment"),
    ],
)
def test_ratings_that_make_no_sense_are_refused(opened: Opened, given: dict[str, object], field: str) -> None:
    conversation = opened.conversation()
    reply = opened.reply(opened.question(conversation, "Hi"), "Hello")
    with pytest.raises(InvalidRequest) as refused:
        opened.write(lambda r: r.ratings.add("local", reply.id, Verdict.DOWN, **given))
    assert refused.value.details["field"] == field
    assert opened.write(lambda r: r.ratings.latest(conversation.id, "local")) == {}


def test_conversations_with_feedback_leave_out_the_unrated_and_the_deleted(opened: Opened) -> None:
    rated, unrated, deleted = (opened.conversation(title=t) for t in ("rated", "unrated", "deleted"))
    for c in (rated, deleted):
        reply = opened.reply(opened.question(c, "Hi"), "Hello")
        opened.write(lambda r, reply=reply: r.ratings.add("local", reply.id, Verdict.UP))
    opened.question(unrated, "Hi")
    opened.write(lambda r: r.conversations.delete("local", deleted.id))
    found = opened.write(lambda r: list(r.feedback.conversations()))
    assert [(c.conversation.title, len(c.messages), len(c.ratings)) for c in found] == [("rated", 2, 1)]
    assert opened.write(lambda r: list(r.feedback.conversations([unrated.id]))) == []
