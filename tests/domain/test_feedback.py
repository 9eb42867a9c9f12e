from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from app.domain.feedback import (
    Drop,
    Drops,
    Judged,
    Pair,
    RatedConversation,
    Rating,
    Verdict,
    pairs,
    prompt_of,
    rated_since,
    split_of,
    unpaired,
)
from app.domain.messages import Conversation, Message, MessageState, Provenance, Role, Turn

START = datetime(2026, 1, 1, tzinfo=UTC)
UP, DOWN, RETRACTED = Verdict.UP, Verdict.DOWN, Verdict.RETRACTED


class Chat:
    """Builds a rated conversation; every message and rating is a minute later than the one before."""

    def __init__(self, id_: str = "c1", system_prompt: str = "") -> None:
        self.messages: list[Message] = []
        self.ratings: list[Rating] = []
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

    def done(self) -> RatedConversation:
        return RatedConversation(self._conversation, tuple(self.messages), tuple(self.ratings))

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


def derive_unpaired(*chats: Chat) -> tuple[list[Judged], Drops]:
    drops = Drops()
    return list(unpaired([c.done() for c in chats], drops)), drops


def derive_pairs(*chats: Chat) -> tuple[list[Pair], Drops]:
    drops = Drops()
    return list(pairs([c.done() for c in chats], drops)), drops


def texts(found: list[Pair]) -> list[tuple[str, str]]:
    return [(p.chosen.message.content, p.rejected.message.content) for p in found]


# -- unpaired ------------------------------------------------------------------------------------------


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
    found, drops = derive_unpaired(chat)
    assert [(j.message.content, j.liked) for j in found] == [("a", True), ("c", False)]
    assert drops == {Drop.RETRACTED: 1}


def test_the_majority_of_raters_decides_and_a_tie_is_dropped() -> None:
    chat = Chat()
    q = chat.question("Hi")
    a, b = chat.reply("a", q), chat.reply("b", q)
    for user, verdict in (("u1", UP), ("u2", DOWN), ("u3", DOWN)):
        chat.rate(a, verdict, user)
    chat.rate(b, UP, "u1")
    chat.rate(b, DOWN, "u2")
    found, drops = derive_unpaired(chat)
    assert [(j.liked, j.votes_up, j.votes_down, j.rating.user_id) for j in found] == [(False, 1, 2, "u3")]
    assert drops == {Drop.CONTRADICTED: 1}


@pytest.mark.parametrize(
    "state", [MessageState.PENDING, MessageState.CANCELLED, MessageState.FAILED, MessageState.INTERRUPTED]
)
def test_an_unfinished_reply_is_no_data(state: MessageState) -> None:
    chat = Chat()
    chat.rate(chat.reply("half a", chat.question("Hi"), state), UP)
    assert derive_unpaired(chat) == ([], {Drop.UNFINISHED: 1})


def test_empty_texts_and_missing_questions_are_no_data() -> None:
    chat = Chat(system_prompt="Be kind.")
    chat.rate(chat.reply(" \n", chat.question("Hi")), UP)
    chat.rate(chat.reply("Hello, I begin.", None, system_prompt="Be kind."), UP)
    assert derive_unpaired(chat) == ([], {Drop.EMPTY: 2})


def test_a_reply_whose_ancestors_are_missing_is_no_data() -> None:
    chat = Chat()
    q = chat.question("Hi")
    chat.rate(chat.reply("a", q), UP)
    chat.messages.remove(q)
    assert derive_unpaired(chat) == ([], {Drop.BROKEN: 1})


def test_the_same_row_twice_is_one_row() -> None:
    first, second, other = Chat("c1"), Chat("c2"), Chat("c3")
    first.rate(first.reply("Yes.", first.question("Is it?")), UP)
    second.rate(second.reply("ｙｅｓ．", second.question("Is  it?\n")), UP)
    other.rate(other.reply("Yes.", other.question("Is it?")), DOWN)
    found, drops = derive_unpaired(first, second, other)
    assert [(j.message.conversation_id, j.liked) for j in found] == [("c1", True), ("c3", False)]
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
    assert derive_pairs(chat) == ([], {Drop.NO_RIVAL: 1, Drop.RETRACTED: 1})


# -- choosing conversations ----------------------------------------------------------------------------


def test_a_split_is_stable_and_grows_with_its_share() -> None:
    ids = [f"conversation-{i}" for i in range(2_000)]
    small = {i for i in ids if split_of(i, 0.1) == "test"}
    large = {i for i in ids if split_of(i, 0.2) == "test"}
    assert small < large
    assert 150 < len(small) < 250
    assert small == {i for i in ids if split_of(i, 0.1) == "test"}


def test_since_takes_whole_conversations() -> None:
    old, new = Chat("c1"), Chat("c2")
    for chat in (old, new):
        q = chat.question("Hi")
        chat.rate(chat.reply("a", q), UP)
    new.rate(new.reply("b", q), DOWN)
    since = new.ratings[-1].created_at
    assert [c.conversation.id for c in rated_since([old.done(), new.done()], since)] == ["c2"]
