from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.generation import FinishReason, Usage
from app.domain.messages import MessageState, Provenance, Role, Timing
from app.errors import ConversationNotFound, MessageNotFound, ReplyNotRunning
from app.store import Store

from .opened import Opened

ORIGIN = Provenance(
    model_id="smollm2-135m-instruct",
    model_digest="b179",
    family="native",
    engine="llama_cpp",
    quantization="Q4_1",
    sampling={"temperature": 0.2, "seed": 7, "stop": ["</s>"]},
    prompt_digest="c0ffee",
    adapter="polite",
    dropped_turns=2,
    system_prompt="Be kind. 友好。",
)


def test_every_field_comes_back(opened: Opened) -> None:
    question = opened.question(opened.conversation(), "Hi 🍵")
    first = opened.reply(question, "half", MessageState.INTERRUPTED)
    added = opened.reply(question, "half", MessageState.PENDING, provenance=ORIGIN, continues_id=first.id)
    finished = opened.write(
        lambda r: r.messages.finish(
            added.id,
            MessageState.FAILED,
            content="half of 你好 👩‍👩‍👧",
            finish_reason=FinishReason.ERROR,
            usage=Usage(10, 20, 5),
            timing=Timing(1, 2, 3),
            error_code="worker_died",
            error_message="The worker died.",
        )
    )
    read = opened.write(lambda r: r.messages.get("local", added.id))
    assert read == finished
    assert read.provenance == ORIGIN
    assert (read.content, read.state, read.finish_reason) == (
        "half of 你好 👩‍👩‍👧",
        MessageState.FAILED,
        FinishReason.ERROR,
    )
    assert (read.usage, read.timing) == (Usage(10, 20, 5), Timing(1, 2, 3))
    assert (read.error_code, read.error_message, read.continues_id) == ("worker_died", "The worker died.", first.id)
    assert read.created_at == added.created_at
    assert question.provenance is None


def test_the_tree_stands_by_age(opened: Opened) -> None:
    conversation = opened.conversation()
    question = opened.question(conversation, "Hi")
    replies = [opened.reply(question, str(i)) for i in range(3)]
    assert opened.write(lambda r: r.messages.all(conversation.id)) == [question, *replies]


def test_a_running_reply_grows_and_ends_once(opened: Opened) -> None:
    reply = opened.reply(opened.question(opened.conversation(), "Hi"), "", MessageState.PENDING)
    for text in ("Hel", "Hello", "Hello"):
        opened.write(lambda r, text=text: r.messages.set_text(reply.id, text))
    assert opened.write(lambda r: r.messages.get("local", reply.id)).content == "Hello"
    opened.write(lambda r: r.messages.finish(reply.id, MessageState.COMPLETE, content="Hello!"))
    for work in (
        lambda r: r.messages.set_text(reply.id, "other"),
        lambda r: r.messages.finish(reply.id, MessageState.CANCELLED, content="other"),
    ):
        with pytest.raises(ReplyNotRunning):
            opened.write(work)
    assert opened.write(lambda r: r.messages.get("local", reply.id)).content == "Hello!"


def test_messages_that_are_not_there(opened: Opened) -> None:
    conversation = opened.conversation()
    for work in (
        lambda r: r.messages.set_text("nowhere", "x"),
        lambda r: r.messages.finish("nowhere", MessageState.COMPLETE, content="x"),
        lambda r: r.messages.get("local", "nowhere"),
        lambda r: r.messages.add(conversation.id, "nowhere", Role.USER, "x", MessageState.COMPLETE),
    ):
        with pytest.raises(MessageNotFound):
            opened.write(work)
    with pytest.raises(ConversationNotFound):
        opened.write(lambda r: r.messages.add("nowhere", None, Role.USER, "x", MessageState.COMPLETE))


def test_another_users_message_is_not_there(opened: Opened) -> None:
    question = opened.question(opened.conversation(), "Hi")
    with pytest.raises(MessageNotFound):
        opened.write(lambda r: r.messages.get("stranger", question.id))


def test_a_parent_must_be_of_the_same_conversation(opened: Opened) -> None:
    mine, other = opened.conversation(), opened.conversation()
    there = opened.question(other, "Hi")
    for fields in ({"parent_id": there.id}, {"parent_id": None, "continues_id": there.id}):
        with pytest.raises(MessageNotFound):
            opened.write(
                lambda r, f=fields: r.messages.add(
                    mine.id, role=Role.USER, content="x", state=MessageState.COMPLETE, **f
                )
            )
    assert opened.write(lambda r: r.messages.all(mine.id)) == []


def test_an_imported_message_keeps_its_time(opened: Opened) -> None:
    at = datetime(2023, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
    conversation = opened.conversation(created_at=at)
    added = opened.write(
        lambda r: r.messages.add(conversation.id, None, Role.USER, "x", MessageState.COMPLETE, created_at=at)
    )
    assert opened.write(lambda r: r.messages.get("local", added.id)).created_at == at
    assert opened.write(lambda r: r.conversations.get("local", conversation.id)).updated_at == at


def test_opening_marks_what_a_crash_left_running(opened: Opened) -> None:
    question = opened.question(opened.conversation(), "Hi")
    running = opened.reply(question, "half a reply", MessageState.PENDING)
    done = opened.reply(question, "a reply")
    opened.store.close_now()
    store = Store.open(opened.url, opened.data_dir)
    try:
        assert store.opening.interrupted == 1
        read = store.submit(lambda r: r.messages.get("local", running.id)).result()
        assert (read.state, read.content) == (MessageState.INTERRUPTED, "half a reply")
        assert store.submit(lambda r: r.messages.get("local", done.id)).result() == done
        hits = store.submit(lambda r: r.conversations.search("local", "half", 5)).result()
        assert [h.message_id for h in hits] == [running.id]
    finally:
        store.close_now()


def test_the_details_of_an_error_are_kept_as_far_as_they_can_be_stored(opened: Opened) -> None:
    running = opened.reply(opened.question(opened.conversation(), "Hi"), state=MessageState.PENDING)
    given = {"model_id": "small", "needed_bytes": 8, "why": "\0", "cause": object(), "share": float("nan")}
    ended = {"content": "", "error_code": "not_enough_memory", "error_message": "No.", "error_details": given}
    opened.write(lambda r: r.messages.finish(running.id, MessageState.FAILED, **ended))  # type: ignore[arg-type]
    found = opened.write(lambda r: r.messages.get("local", running.id))
    assert found.error_details == {"model_id": "small", "needed_bytes": 8}
