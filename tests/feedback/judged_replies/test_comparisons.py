"""From the log in a store to what the leaderboard compares."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.feedback import (
    ConversationFeedback,
    Decision,
    RankedReply,
    Ranking,
    RankingSource,
    Verdict,
    current_rankings,
    current_ratings,
)
from app.domain.messages import Message, MessageState, Provenance
from app.feedback.judged_replies.comparisons import comparisons
from app.feedback.judged_replies.mirror import Mirror
from app.feedback.leaderboard.comparison import Comparison, Outcome
from app.feedback.leaderboard.table import RESULTS
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
    judged = opened.write(lambda r: Mirror().read(r))
    table = comparisons(judged)
    judgements, prompts = (sorted(set(column.tolist())) for column in (judged.replies.judgement, judged.replies.prompt))
    outcomes, shown = {number: outcome for outcome, number in RESULTS.items()}, {1: 0, -1: 1, 0: None}
    return [
        Comparison(
            judgement_id=judgements[table.judgement[row]].decode(),
            rater_id=table.raters[table.rater[row]],
            prompt_id=prompts[table.prompt[row]].decode(),
            left=table.players[table.left[row]],
            right=table.players[table.right[row]],
            outcome=outcomes[int(table.result[row])],
            at=datetime.fromtimestamp(float(table.time[row]), UTC),
            left_position_shown=shown[int(table.position[row])],
            left_length=int(table.left_length[row]),
            right_length=int(table.right_length[row]),
            weight=float(table.weight[row]),
            blind=bool(table.blind[row]),
            language=table.languages[table.language[row]],
            source=table.sources[table.source[row]],
        )
        for row in range(len(table))
    ]


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


@pytest.mark.parametrize("seed", range(3))
def test_a_random_log_is_compared_as_when_it_is_read_judgement_by_judgement(opened: Opened, seed: int) -> None:
    random_ = random.Random(seed)
    chats = [Chat(opened, "abcb") for _ in range(3)]
    for chat in chats:
        chat.replies += [chat.reply(model, system_prompt="Be brief.") for model in "ca"]
    for _ in range(40):
        judge_somehow(random_, random_.choice(chats))
    log = opened.write(lambda r: list(r.feedback.conversations()))
    expected = sorted(row for chat in log for row in simply_compared(chat))
    told = {Outcome.LEFT: 1, Outcome.RIGHT: -1, Outcome.TIE: 0, Outcome.BOTH_BAD: None}
    compared = []
    for each in found(opened):
        sign = 1 if each.left <= each.right else -1
        result = told[each.outcome]
        if each.left == each.right and result is not None:
            result = abs(result)  # which of them is left is not known
        names = sorted((each.left, each.right))
        compared.append(
            (*names, "neither" if result is None else str(sign * result), each.source, round(each.weight, 6))
        )
    assert sorted(compared) == expected
    assert len(expected) > 5


def judge_somehow(random_: random.Random, chat: Chat) -> None:
    """Rate all replies, or rank some of them; sometimes a reviewer excludes that."""
    if random_.random() < 0.5:
        given = chat.rate(*random_.choices(list(Verdict), k=len(chat.replies)))[0]
    else:
        chosen = random_.sample(chat.replies, random_.choice((2, 3, 5)))
        both_bad = random_.random() < 0.2
        given = chat.rank(
            *(None if both_bad else random_.randint(1, 2) for _ in chosen), replies=chosen, both_bad=both_bad
        )
    if random_.random() < 0.2:
        chat.opened.write(lambda r: r.feedback.review("local", given, Decision.EXCLUDED))


def simply_compared(chat: ConversationFeedback) -> Iterator[tuple[str, str, str, str, float]]:
    """Players in order, the result for the first one, source and weight, by the rules and for one rater."""
    models = {m.id: m.provenance.model_id for m in chat.messages if m.provenance is not None}
    prompts = {m.id: m.provenance.system_prompt for m in chat.messages if m.provenance is not None}
    excluded = {review.judgement_id for review in chat.reviews if review.decision is Decision.EXCLUDED}
    done: set[frozenset[str]] = set()

    def row(one: str, other: str, result: int | None, source: str, weight: float) -> tuple[str, str, str, str, float]:
        first, second = models[one], models[other]
        done.add(frozenset((one, other)))
        if result is not None:
            result = abs(result) if first == second else result if first < second else -result
        names = sorted((first, second))
        return names[0], names[1], "neither" if result is None else str(result), source, round(weight, 6)

    rankings = [r for r in current_rankings(chat.rankings) if r.id not in excluded and not r.withdrawn]
    for ranking in sorted(rankings, key=lambda each: each.created_at, reverse=True):
        pairs = [
            (one, other)
            for one, other in itertools.combinations(ranking.items, 2)
            if prompts[one.message_id] == prompts[other.message_id]
        ]
        weight = 2 / max(1, len({item.message_id for pair in pairs for item in pair}))
        for one, other in pairs:
            if frozenset((one.message_id, other.message_id)) not in done:
                result = _order(ranking, one.rank, other.rank)
                yield row(one.message_id, other.message_id, result, ranking.source.value, weight)
    ratings = [r for r in current_ratings(chat.ratings) if r.id not in excluded]
    for prompt in set(prompts.values()):
        up, down = (
            [r.message_id for r in ratings if r.verdict is verdict and prompts[r.message_id] == prompt]
            for verdict in (Verdict.UP, Verdict.DOWN)
        )
        for liked, disliked in itertools.product(up, down):
            if frozenset((liked, disliked)) not in done:
                yield row(liked, disliked, 1, "ratings", 2 / len(up + down))


def _order(ranking: Ranking, one: int | None, other: int | None) -> int | None:
    if ranking.both_bad or one is None or other is None:
        return None
    return (one < other) - (one > other)
