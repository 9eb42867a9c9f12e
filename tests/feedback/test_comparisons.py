"""From the log in a store to what the leaderboard compares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.domain.feedback import Decision, RankedReply, RankingSource, Verdict
from app.domain.messages import Message, MessageState, Provenance
from app.feedback.comparisons import comparisons
from app.feedback.leaderboard.comparison import Comparison, Outcome
from app.store import Store
from tests.store.opened import Opened

UP, DOWN = Verdict.UP, Verdict.DOWN


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    url = f"sqlite:///{tmp_path / 'parley.db'}"
    store = Store.open(url, tmp_path)
    yield Opened(store, url, tmp_path)
    store.close_now()


def found(opened: Opened) -> list[Comparison]:
    return opened.write(lambda r: comparisons(r.statistics.ranked_pairs(), r.statistics.thumb_pairs()))


def versus(opened: Opened) -> list[tuple[str, str, str]]:
    """Winner, loser and how; of a tie both in order."""
    told = []
    for each in found(opened):
        pair = (each.left, each.right) if each.outcome is not Outcome.RIGHT else (each.right, each.left)
        decided = each.outcome in (Outcome.LEFT, Outcome.RIGHT)
        told.append((*(pair if decided else sorted(pair)), "wins" if decided else each.outcome.value))
    return sorted(told)


class Chat:
    """A question with replies by models named after their place."""

    def __init__(self, opened: Opened, models: Sequence[str] = "abc", **fields: Any) -> None:
        self.opened = opened
        self.question = opened.question(opened.conversation(**fields), "What is a name?")
        self.replies = [self.reply(model) for model in models]

    def reply(self, model: str, state: MessageState = MessageState.COMPLETE, system_prompt: str = "") -> Message:
        origin = Provenance(model, "d", "f", "e", "q", {}, "p", None, 0, system_prompt)
        return self.opened.reply(self.question, f"I am {model}", state, provenance=origin)

    def rate(self, *verdicts: Verdict) -> list[str]:
        add = [
            (lambda r, m=message, v=verdict: r.ratings.add("local", m.id, v))
            for message, verdict in zip(self.replies, verdicts, strict=False)
        ]
        return [self.opened.write(work).id for work in add]

    def rank(self, *ranks: int | None, replies: Sequence[Message] = (), **more: Any) -> str:
        source = more.pop("source", RankingSource.SIDE_BY_SIDE)
        shown = replies or self.replies
        items = [
            RankedReply(m.id, rank, len(shown) - 1 - n) for n, (m, rank) in enumerate(zip(shown, ranks, strict=True))
        ]
        return self.opened.write(lambda r: r.rankings.add("local", source, items, **more)).id


def test_a_ranking_gives_its_pairs_with_positions_and_weights(opened: Opened) -> None:
    Chat(opened).rank(1, 2, 2, blind=True)
    assert versus(opened) == [("a", "b", "wins"), ("a", "c", "wins"), ("b", "c", "tie")]
    given = found(opened)
    assert {each.weight for each in given} == {2 / 3}
    assert len({each.judgement_id for each in given}) == 1
    assert all(each.blind and each.language == "en" and each.source == "side_by_side" for each in given)
    first = next(each for each in given if {each.left, each.right} == {"a", "b"})
    assert first.left_position_shown == (1 if first.left == "a" else 0), "the last one was shown first"
    assert (first.left_length, first.right_length) == (6, 6)
    assert first.prompt_id == given[1].prompt_id


def test_both_bad_is_no_tie(opened: Opened) -> None:
    Chat(opened, "ab").rank(None, None, both_bad=True)
    assert versus(opened) == [("a", "b", "both_bad")]
    assert found(opened)[0].weight == 1


def test_thumbs_compare_what_was_rated_differently(opened: Opened) -> None:
    ids = Chat(opened).rate(UP, DOWN, UP)
    assert versus(opened) == [("a", "b", "wins"), ("c", "b", "wins")], "nobody compared a and c"
    given = found(opened)
    assert {each.judgement_id for each in given} == {ids[2]}, "one rater's thumbs depend on each other"
    assert {each.source for each in given} == {"ratings"}
    assert {each.weight for each in given} == {2 / 3}


def test_equal_thumbs_compare_nothing(opened: Opened) -> None:
    Chat(opened).rate(UP, UP, UP)
    Chat(opened).rate(DOWN, DOWN)
    assert found(opened) == []


def test_what_was_ranked_counts_more_than_thumbs_and_the_latest_order_counts(opened: Opened) -> None:
    chat = Chat(opened)
    chat.rate(DOWN, UP)
    chat.rank(1, 2, replies=chat.replies[:2])
    assert versus(opened) == [("a", "b", "wins")]
    chat.rank(3, 1, 2)
    assert versus(opened) == [("b", "a", "wins"), ("b", "c", "wins"), ("c", "a", "wins")]


def test_other_chats_and_other_prompts_are_not_compared(opened: Opened) -> None:
    Chat(opened, "ab").rate(UP)
    Chat(opened, "ab").rate(UP)
    chat = Chat(opened, "a")
    chat.replies.append(chat.reply("b", system_prompt="Be brief."))
    chat.rate(UP, DOWN)
    chat.rank(1, 2)
    assert found(opened) == []


def test_unfinished_replies_and_peoples_texts_are_not_compared(opened: Opened) -> None:
    chat = Chat(opened, "a")
    stopped = chat.reply("b", MessageState.CANCELLED)
    person = opened.reply(chat.question, "A better text", corrects_id=chat.replies[0].id)
    chat.rank(1, 2, replies=[chat.replies[0], stopped])
    chat.rank(1, 2, replies=[person, chat.replies[0]])
    assert found(opened) == []


@pytest.mark.parametrize("change", ["consent", "trash", "excluded", "withdrawn"])
def test_what_must_not_count_does_not(opened: Opened, change: str) -> None:
    chat = Chat(opened, "ab")
    thumbs = chat.rate(UP, DOWN)
    assert len(found(opened)) == 1
    ranking = chat.rank(1, 2)
    conversation_id = chat.question.conversation_id
    if change == "consent":
        opened.write(lambda r: r.conversations.update("local", conversation_id, allow_training=False))
    elif change == "trash":
        opened.write(lambda r: r.conversations.delete("local", conversation_id))
    elif change == "excluded":
        for given in (*thumbs[:1], ranking):
            opened.write(lambda r, g=given: r.feedback.review("local", g, Decision.EXCLUDED))  # type: ignore[misc]
    else:
        opened.write(lambda r: r.rankings.withdraw("local", ranking))
        chat.rate(UP, Verdict.RETRACTED)
    assert found(opened) == []
