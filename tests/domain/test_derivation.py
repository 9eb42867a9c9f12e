from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.derivation import derive, prompt_of
from app.domain.feedback import (
    ConversationFeedback,
    Decision,
    RankedReply,
    Ranking,
    RankingSource,
    Rating,
    Review,
    Verdict,
    ranked,
)
from app.domain.messages import Conversation, Message, MessageState, Provenance, Role, Turn
from app.domain.training_rows import Drop, Drops, Label, Pair, RowKind, Seen, TrainingRows

START = datetime(2026, 1, 1, tzinfo=UTC)
UP, DOWN, RETRACTED = Verdict.UP, Verdict.DOWN, Verdict.RETRACTED


class Chat:
    """Builds a rated conversation; every message and rating is a minute later than the one before."""

    def __init__(self, id_: str = "c1", system_prompt: str = "") -> None:
        self.messages: list[Message] = []
        self.ratings: list[Rating] = []
        self.rankings: list[Ranking] = []
        self.reviews: list[Review] = []
        self.allow_training = True
        self._conversation = Conversation(id_, "u", "", None, system_prompt, {}, None, False, START, START)
        self._clock = count()

    def question(self, text: str, parent: Message | None = None) -> Message:
        return self._add(Role.USER, text, parent, MessageState.COMPLETE, None)

    def reply(
        self,
        text: str,
        parent: Message | None,
        state: MessageState = MessageState.COMPLETE,
        *,
        system_prompt: str = "",
        dropped_turns: int = 0,
    ) -> Message:
        origin = Provenance("m", "d", "f", "e", "q", {}, "p", None, dropped_turns, system_prompt)
        return self._add(Role.ASSISTANT, text, parent, state, origin)

    def rate(self, message: Message, verdict: Verdict, user: str = "u") -> None:
        self.ratings.append(Rating(f"r{len(self.ratings)}", message.id, user, verdict, (), "", None, self._now()))

    def rank(
        self,
        *order: tuple[Message, int | None],
        source: RankingSource = RankingSource.RANKING,
        user: str = "u",
        both_bad: bool = False,
        withdrawn: bool = False,
    ) -> Ranking:
        items = ranked([RankedReply(message.id, rank, at) for at, (message, rank) in enumerate(order)])
        prompt_id, id_ = order[0][0].parent_id, f"k{len(self.rankings)}"
        made = Ranking(
            id_, user, self._conversation.id, prompt_id, source, items, False, both_bad, withdrawn, self._now()
        )
        self.rankings.append(made)
        return made

    def correct(self, original: Message, text: str, user: str = "u") -> Message:
        parent = next((m for m in self.messages if m.id == original.parent_id), None)
        made = replace(self._add(Role.ASSISTANT, text, parent, MessageState.COMPLETE, None), corrects_id=original.id)
        self.messages[-1] = made
        self.rank((made, 1), (original, 2), source=RankingSource.CORRECTION, user=user)
        return made

    def review(self, judgement_id: str, decision: Decision) -> None:
        self.reviews.append(Review(f"v{len(self.reviews)}", judgement_id, "admin", decision, "", self._now()))

    def done(self) -> ConversationFeedback:
        conversation = replace(self._conversation, allow_training=self.allow_training)
        return ConversationFeedback(
            conversation, tuple(self.messages), tuple(self.ratings), tuple(self.rankings), tuple(self.reviews)
        )

    def _now(self) -> datetime:
        return START + timedelta(minutes=next(self._clock))

    def _add(
        self, role: Role, text: str, parent: Message | None, state: MessageState, origin: Provenance | None
    ) -> Message:
        made = Message(
            id=f"{self._conversation.id}-m{len(self.messages)}",
            conversation_id=self._conversation.id,
            parent_id=parent.id if parent else None,
            role=role,
            content=text,
            state=state,
            created_at=self._now(),
            provenance=origin,
        )
        self.messages.append(made)
        return made


def derive_all(*chats: Chat) -> list[TrainingRows]:
    seen = Seen()
    return [derive(chat.done(), seen) for chat in chats]


def total(rows: Iterable[TrainingRows], kind: RowKind) -> Drops:
    return sum((each.drops(kind) for each in rows), Drops())


def derive_labels(*chats: Chat) -> tuple[list[Label], Drops]:
    rows = derive_all(*chats)
    return [label for each in rows for label in each.labels], total(rows, RowKind.LABEL)


def derive_pairs(*chats: Chat) -> tuple[list[Pair], Drops]:
    rows = derive_all(*chats)
    return [pair for each in rows for pair in each.pairs], total(rows, RowKind.PAIR)


def texts(found: list[Pair]) -> list[tuple[str, str]]:
    return [(p.chosen.message.content, p.rejected.message.content) for p in found]


# -- labels ------------------------------------------------------------------------------------------


def test_the_latest_thumb_counts() -> None:
    chat = Chat()
    q = chat.question("Hi")
    a, b, c = (chat.reply(t, q) for t in "abc")
    chat.rate(a, DOWN)
    chat.rate(a, UP)
    chat.rate(b, UP)
    chat.rate(b, RETRACTED)
    chat.rate(c, RETRACTED)
    chat.rate(c, DOWN)
    found, drops = derive_labels(chat)
    assert [(j.reply.message.content, j.liked) for j in found] == [("a", True), ("c", False)]
    assert drops == {Drop.WITHDRAWN: 1}


def test_the_majority_of_raters_decides_and_a_tie_is_dropped() -> None:
    chat = Chat()
    q = chat.question("Hi")
    a, b = chat.reply("a", q), chat.reply("b", q)
    for user, verdict in (("u1", UP), ("u2", DOWN), ("u3", DOWN)):
        chat.rate(a, verdict, user)
    chat.rate(b, UP, "u1")
    chat.rate(b, DOWN, "u2")
    found, drops = derive_labels(chat)
    assert [(j.liked, j.votes_up, j.votes_down, j.rating.user_id) for j in found] == [(False, 1, 2, "u3")]
    assert drops == {Drop.CONTRADICTED: 1}


@pytest.mark.parametrize(
    "state", [MessageState.PENDING, MessageState.CANCELLED, MessageState.FAILED, MessageState.INTERRUPTED]
)
def test_an_unfinished_reply_is_no_data(state: MessageState) -> None:
    chat = Chat()
    chat.rate(chat.reply("half a", chat.question("Hi"), state), UP)
    assert derive_labels(chat) == ([], {Drop.UNFINISHED: 1})


def test_empty_texts_and_missing_questions_are_no_data() -> None:
    chat = Chat(system_prompt="Be kind.")
    chat.rate(chat.reply(" \n", chat.question("Hi")), UP)
    chat.rate(chat.reply("Hello, I begin.", None, system_prompt="Be kind."), UP)
    assert derive_labels(chat) == ([], {Drop.EMPTY: 2})


def test_a_reply_whose_ancestors_are_missing_is_no_data() -> None:
    chat = Chat()
    q = chat.question("Hi")
    chat.rate(chat.reply("a", q), UP)
    chat.messages.remove(q)
    assert derive_labels(chat) == ([], {Drop.BROKEN: 1})


def test_the_same_row_twice_is_one_row() -> None:
    first, second, other = Chat("c1"), Chat("c2"), Chat("c3")
    first.rate(first.reply("Yes.", first.question("Is it?")), UP)
    second.rate(second.reply("ｙｅｓ．", second.question("Is  it?\n")), UP)
    other.rate(other.reply("Yes.", other.question("Is it?")), DOWN)
    found, drops = derive_labels(first, second, other)
    assert [(j.reply.message.conversation_id, j.liked) for j in found] == [("c1", True), ("c3", False)]
    assert drops == {Drop.DUPLICATE: 1}


# -- the prompt ----------------------------------------------------------------------------------------


def test_the_prompt_is_what_the_model_read() -> None:
    chat = Chat(system_prompt="Now I am another.")
    q1 = chat.question("one")
    failed = chat.reply("", q1, MessageState.FAILED)
    q2 = chat.question("two", failed)
    a2 = chat.reply("2", q2)
    chat.reply("2, said otherwise", q2)
    q3 = chat.question("three", a2)
    a3 = chat.reply("3", q3, system_prompt="Be kind.")
    done = chat.done()
    prompt = prompt_of({m.id: m for m in done.messages}, a3, done.conversation)
    assert prompt == (
        Turn(Role.SYSTEM, "Be kind."),
        Turn(Role.USER, "one"),
        Turn(Role.USER, "two"),
        Turn(Role.ASSISTANT, "2"),
        Turn(Role.USER, "three"),
    )


def test_turns_that_did_not_fit_are_not_claimed() -> None:
    chat = Chat()
    q1 = chat.question("one")
    q2 = chat.question("two", chat.reply("1", q1))
    a2 = chat.reply("2", q2, system_prompt="Be kind.", dropped_turns=2)
    done = chat.done()
    prompt = prompt_of({m.id: m for m in done.messages}, a2, done.conversation)
    assert prompt == (Turn(Role.SYSTEM, "Be kind."), Turn(Role.USER, "two"))


# -- pairs ---------------------------------------------------------------------------------------------


def test_every_liked_reply_beats_every_disliked_sibling() -> None:
    chat = Chat()
    q = chat.question("Hi")
    for text, verdict in (("good", UP), ("bad", DOWN), ("better", UP), ("unrated", None)):
        made = chat.reply(text, q)
        if verdict:
            chat.rate(made, verdict)
    found, drops = derive_pairs(chat)
    assert texts(found) == [("good", "bad"), ("better", "bad")]
    assert [p.weight for p in found] == [0.5, 0.5]
    assert not drops


def test_replies_to_different_questions_are_not_compared() -> None:
    chat = Chat()
    chat.rate(chat.reply("a", chat.question("one")), UP)
    chat.rate(chat.reply("b", chat.question("two")), DOWN)
    assert derive_pairs(chat) == ([], {Drop.NO_RIVAL: 2})


def test_replies_to_different_prompts_are_not_compared() -> None:
    chat = Chat()
    q = chat.question("Hi")
    chat.rate(chat.reply("a", q, system_prompt="Be kind."), UP)
    chat.rate(chat.reply("b", q, system_prompt="Be rude."), DOWN)
    assert derive_pairs(chat) == ([], {Drop.NO_RIVAL: 2})


def test_a_pair_that_says_the_same_twice_is_dropped() -> None:
    chat = Chat()
    q = chat.question("Hi")
    chat.rate(chat.reply("Hello there", q), UP)
    chat.rate(chat.reply("hello  there", q), DOWN)
    chat.rate(chat.reply("Go away", q), DOWN)
    found, drops = derive_pairs(chat)
    assert texts(found) == [("Hello there", "Go away")]
    assert found[0].weight == 1
    assert drops == {Drop.IDENTICAL: 1}


def test_the_same_pair_in_two_conversations_is_one() -> None:
    chats = [Chat("c1"), Chat("c2")]
    for chat in chats:
        q = chat.question("Hi")
        chat.rate(chat.reply("a", q), UP)
        chat.rate(chat.reply("b", q), DOWN)
    found, drops = derive_pairs(*chats)
    assert [p.chosen.message.conversation_id for p in found] == ["c1"]
    assert drops == {Drop.DUPLICATE: 1}


def test_a_retracted_rival_makes_no_pair() -> None:
    chat = Chat()
    q = chat.question("Hi")
    a, b = chat.reply("a", q), chat.reply("b", q)
    chat.rate(a, UP)
    chat.rate(b, DOWN)
    chat.rate(b, RETRACTED)
    assert derive_pairs(chat) == ([], {Drop.NO_RIVAL: 1, Drop.WITHDRAWN: 1})


# -- rankings ------------------------------------------------------------------------------------------


def three_replies() -> tuple[Chat, list[Message]]:
    chat = Chat()
    question = chat.question("Hi")
    return chat, [chat.reply(text, question) for text in "abc"]


def test_a_ranking_of_three_is_three_pairs_whose_weights_add_up_to_one() -> None:
    chat, (a, b, c) = three_replies()
    chat.rank((c, 1), (a, 2), (b, 3))
    found, drops = derive_pairs(chat)
    assert sorted(texts(found)) == [("a", "b"), ("c", "a"), ("c", "b")]
    assert sum(pair.weight for pair in found) == pytest.approx(1)
    assert {pair.source for pair in found} == {"ranking"}
    assert not drops


def test_equal_ranks_and_both_bad_make_no_pair_but_stay_rankings() -> None:
    chat, (a, b, c) = three_replies()
    chat.rank((a, 1), (b, 1))
    chat.rank((b, None), (c, None), both_bad=True)
    (rows,) = derive_all(chat)
    assert rows.pairs == []
    assert rows.drops(RowKind.PAIR) == {Drop.TIE: 1, Drop.BOTH_BAD: 1}
    assert [row.ranking.both_bad for row in rows.rankings] == [False, True]


def test_the_latest_ranking_of_the_same_replies_counts_whoever_is_named_first() -> None:
    chat, (a, b, _) = three_replies()
    chat.rank((a, 1), (b, 2))
    chat.rank((b, 1), (a, 2))
    assert texts(derive_pairs(chat)[0]) == [("b", "a")]
    chat.rank((a, 1), (b, 2), withdrawn=True)
    assert derive_pairs(chat) == ([], {Drop.WITHDRAWN: 1})


def test_raters_decide_by_majority_and_are_counted() -> None:
    chat, (a, b, _) = three_replies()
    for user, first in (("u1", a), ("u2", b)):
        chat.rank((first, 1), (b if first is a else a, 2), user=user)
    assert derive_pairs(chat) == ([], {Drop.CONTRADICTED: 1})
    chat.rank((b, 1), (a, 2), user="u3")
    (pair,), _ = derive_pairs(chat)
    assert (pair.chosen.message, pair.votes_for, pair.votes_against) == (b, 2, 1)


def test_what_was_shown_and_not_ranked_is_no_data() -> None:
    chat, (a, b, _) = three_replies()
    chat.rank((a, None), (b, None), source=RankingSource.SIDE_BY_SIDE)
    (rows,) = derive_all(chat)
    assert (rows.pairs, rows.rankings, rows.drops(RowKind.RANKING)) == ([], [], {Drop.UNDECIDED: 1})


def test_a_comparison_says_more_than_thumbs() -> None:
    chat, (a, b, c) = three_replies()
    chat.rate(a, UP)
    chat.rate(b, DOWN)
    chat.rate(c, DOWN)
    chat.rank((b, 1), (a, 2))
    found, _ = derive_pairs(chat)
    assert sorted((*pair, source) for pair, source in zip(texts(found), [p.source for p in found], strict=True)) == [
        ("a", "c", "ratings"),
        ("b", "a", "ranking"),
    ]


def test_replies_to_different_prompts_are_not_ranked() -> None:
    chat = Chat()
    q = chat.question("Hi")
    kind, rude = chat.reply("a", q, system_prompt="Be kind."), chat.reply("b", q, system_prompt="Be rude.")
    chat.rank((kind, 1), (rude, 2))
    (rows,) = derive_all(chat)
    assert (rows.pairs, rows.rankings) == ([], [])
    assert rows.drops(RowKind.PAIR) == rows.drops(RowKind.RANKING) == {Drop.OTHER_PROMPT: 1}


# -- corrections and demonstrations ---------------------------------------------------------------------


def test_a_correction_is_a_pair_and_a_demonstration_with_the_prompt_of_its_original() -> None:
    chat = Chat(system_prompt="Now I am another.")
    question = chat.question("Hi")
    wrong = chat.reply("Wrong.", question, system_prompt="Be kind.")
    chat.correct(wrong, "Right.")
    (rows,) = derive_all(chat)
    assert texts(rows.pairs) == [("Right.", "Wrong.")]
    (shown,) = rows.demonstrations
    assert (shown.reply.message.content, shown.source) == ("Right.", "correction")
    assert shown.reply.prompt == (Turn(Role.SYSTEM, "Be kind."), Turn(Role.USER, "Hi"))


def test_a_corrected_correction_replaces_the_first() -> None:
    chat = Chat()
    wrong = chat.reply("Wrong.", chat.question("Hi"))
    first = chat.correct(wrong, "Rihgt.")
    chat.correct(first, "Right.")
    (rows,) = derive_all(chat)
    assert [shown.reply.message.content for shown in rows.demonstrations] == ["Right."]
    assert rows.drops(RowKind.DEMONSTRATION) == {Drop.CORRECTED: 1}


def test_a_reply_that_was_liked_is_a_demonstration_unless_it_was_corrected() -> None:
    chat, (a, b, c) = three_replies()
    for reply, verdict in ((a, UP), (b, UP), (c, DOWN)):
        chat.rate(reply, verdict)
    chat.correct(b, "b, but better")
    (rows,) = derive_all(chat)
    assert [shown.reply.message.content for shown in rows.demonstrations] == ["a", "b, but better"]


def test_a_correction_of_a_stopped_reply_is_a_demonstration_and_no_pair() -> None:
    chat = Chat()
    half = chat.reply("Rig", chat.question("Hi"), MessageState.CANCELLED)
    chat.correct(half, "Right.")
    (rows,) = derive_all(chat)
    assert [shown.reply.message.content for shown in rows.demonstrations] == ["Right."]
    assert (rows.pairs, rows.drops(RowKind.PAIR)) == ([], {Drop.UNFINISHED: 1})


# -- consent and review ---------------------------------------------------------------------------------


def judged_chat() -> Chat:
    chat, (a, b, c) = three_replies()
    chat.rate(a, UP)
    chat.rate(b, DOWN)
    chat.rank((a, 1), (c, 2))
    chat.correct(b, "b, corrected")
    return chat


def test_without_consent_there_are_no_rows_of_any_kind() -> None:
    chat = judged_chat()
    chat.allow_training = False
    (rows,) = derive_all(chat)
    assert (rows.labels, rows.pairs, rows.rankings, rows.demonstrations) == ([], [], [], [])
    assert all(rows.drops(kind) == {Drop.NO_CONSENT: 4} for kind in RowKind)


def test_what_an_administrator_excluded_is_no_data_until_that_is_taken_back() -> None:
    chat = judged_chat()
    (before,) = derive_all(chat)
    for judgement in (*chat.ratings, *chat.rankings):
        chat.review(judgement.id, Decision.EXCLUDED)
    (rows,) = derive_all(chat)
    assert (rows.labels, rows.pairs, rows.rankings, rows.demonstrations) == ([], [], [], [])
    assert set(rows.drops(RowKind.LABEL)) == set(rows.drops(RowKind.RANKING)) == {Drop.EXCLUDED}
    for judgement in (*chat.ratings, *chat.rankings):
        chat.review(judgement.id, Decision.OPEN)
    assert derive_all(chat)[0].pairs == before.pairs


def test_an_excluded_rating_beside_one_that_counts_is_accounted_for() -> None:
    chat, (a, _, _) = three_replies()
    chat.rate(a, UP, "u1")
    chat.rate(a, DOWN, "u2")
    chat.rate(a, UP, "u3")
    chat.rate(a, RETRACTED, "u3")
    chat.review(chat.ratings[1].id, Decision.EXCLUDED)
    (rows,) = derive_all(chat)
    assert [label.judgement_ids for label in rows.labels] == [("r0",)]
    assert {(x.reason, *x.judgement_ids) for x in rows.dropped if x.kind is RowKind.LABEL} == {
        (Drop.EXCLUDED, "r1"),
        (Drop.WITHDRAWN, "r3"),
    }


# -- properties -----------------------------------------------------------------------------------------

REPLIES = 5
judgements = st.lists(
    st.one_of(
        st.tuples(st.just("rate"), st.integers(0, REPLIES - 1), st.sampled_from(list(Verdict)), st.integers(0, 2)),
        st.tuples(
            st.just("rank"),
            st.lists(st.integers(0, REPLIES - 1), min_size=2, max_size=4, unique=True),
            st.lists(st.integers(1, 3), min_size=4, max_size=4),
            st.integers(0, 2),
            st.booleans(),
        ),
    ),
    max_size=12,
)


def chat_with(given: list[Any]) -> Chat:
    """Two prompts (a system prompt apart) with five replies, one of them unfinished, and the judgements `given`."""
    chat = Chat()
    question = chat.question("Hi")
    prompts = ("", "", "", "Be kind.", "Be kind.")
    state = [MessageState.COMPLETE] * 4 + [MessageState.CANCELLED]
    replies = [chat.reply(f"reply {n}", question, state[n], system_prompt=prompts[n]) for n in range(REPLIES)]
    for judgement in given:
        if judgement[0] == "rate":
            _, n, verdict, user = judgement
            chat.rate(replies[n], verdict, f"u{user}")
        else:
            _, ids, ranks, user, withdrawn = judgement
            order = [(replies[n], rank) for n, rank in zip(ids, ranks, strict=False)]
            chat.rank(*order, user=f"u{user}", withdrawn=withdrawn)
    return chat


@given(judgements)
def test_whatever_was_judged_no_pair_crosses_prompts_and_none_contradicts_another(given: list[Any]) -> None:
    (rows,) = derive_all(chat_with(given))
    ways = [(p.chosen.message.id, p.rejected.message.id) for p in rows.pairs]
    assert all(pair.chosen.prompt == pair.rejected.prompt for pair in rows.pairs)
    assert all(pair.votes_for > pair.votes_against for pair in rows.pairs)
    assert len({frozenset(way) for way in ways}) == len(ways)
    by_prompt: dict[Any, float] = {}
    for pair in rows.pairs:
        by_prompt[pair.chosen.prompt] = by_prompt.get(pair.chosen.prompt, 0) + pair.weight
    assert all(weight == pytest.approx(1) for weight in by_prompt.values())


@given(judgements, st.randoms())
def test_the_order_in_which_different_raters_judged_makes_no_difference(given: list[Any], random: Any) -> None:
    by_rater = [[j for j in given if j[3] == user] for user in range(3)]
    mixed: list[Any] = []
    waiting = [list(each) for each in by_rater]
    while any(waiting):
        mixed.append(random.choice([each for each in waiting if each]).pop(0))
    one, other = derive_all(chat_with([j for each in by_rater for j in each]))[0], derive_all(chat_with(mixed))[0]

    def said(rows: TrainingRows) -> Any:
        pairs = [(p.chosen.message.id, p.rejected.message.id, p.weight, p.votes_for) for p in rows.pairs]
        labels = [(x.reply.message.id, x.liked, x.votes_up) for x in rows.labels]
        return labels, pairs, [d.reply.message.id for d in rows.demonstrations]

    assert said(one) == said(other)


@given(judgements)
def test_everything_withdrawn_leaves_nothing(given: list[Any]) -> None:
    chat = chat_with(given)
    for rating in list(chat.ratings):
        chat.rate(next(m for m in chat.messages if m.id == rating.message_id), RETRACTED, rating.user_id)
    messages = {m.id: m for m in chat.messages}
    for ranking in list(chat.rankings):
        chat.rank(*((messages[x.message_id], x.rank) for x in ranking.items), user=ranking.user_id, withdrawn=True)
    (rows,) = derive_all(chat)
    assert (rows.labels, rows.pairs, rows.rankings, rows.demonstrations) == ([], [], [], [])
