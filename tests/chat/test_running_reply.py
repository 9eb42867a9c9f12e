from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from app.chat.events import ReasoningDelta, ReasoningEnded, ReplyDelta, ReplyQueued, ReplyReading, ReplyStarted
from app.chat.running_reply import ReplyCursor, RunningReply
from app.domain.generation import Reading
from app.domain.messages import Message, MessageState, Role, Timing


def message(content: str = "", state: MessageState = MessageState.PENDING) -> Message:
    return Message("m", "c", None, Role.ASSISTANT, content, state, datetime.now(UTC))


def test_text_from_any_offset_is_what_follows_it() -> None:
    reply = RunningReply(message("début "))
    for piece in ("你好", "，", "", "世界 🎉", "end"):
        reply.append(piece)
    text = reply.text
    assert text == "début 你好，世界 🎉end"
    assert reply.length == len(text)
    assert [reply.content.after(n) for n in range(len(text) + 2)] == [text[n:] for n in range(len(text) + 2)]


def test_a_cursor_is_told_each_thing_once_and_in_order() -> None:
    reply = RunningReply(message(), dropped_turns=2)
    cursor = ReplyCursor("m", 0)
    reply.position = 2
    assert list(cursor.news(reply)) == [ReplyQueued("m", 2)]
    assert list(cursor.news(reply)) == []
    reply.position, reply.started = None, True
    reply.append("one ")
    reply.append("two")
    assert list(cursor.news(reply)) == [ReplyStarted("m", 2), ReplyDelta("m", 0, "one two")]
    assert list(cursor.news(reply)) == []
    assert list(cursor.rest(message("one two three", MessageState.COMPLETE))) == [ReplyDelta("m", 7, " three")]


def test_how_far_the_prompt_is_read_is_told_until_there_is_text() -> None:
    reply = RunningReply(message())
    reply.started = True
    cursor = ReplyCursor("m", 0)
    reply.reading = Reading(128, 2846)
    assert list(cursor.news(reply)) == [ReplyStarted("m", 0), ReplyReading("m", 128, 2846)]
    assert list(cursor.news(reply)) == []
    reply.reading = Reading(256, 2846)
    assert list(ReplyCursor.at_end(reply).news(reply)) == []
    assert list(cursor.news(reply)) == [ReplyReading("m", 256, 2846)]
    reply.reading = Reading(2846, 2846)
    reply.append("text")
    assert list(cursor.news(reply)) == [ReplyDelta("m", 0, "text")]


def test_a_cursor_at_the_end_is_told_only_what_comes_later() -> None:
    reply = RunningReply(message())
    reply.started = True
    reply.append("known")
    cursor = ReplyCursor.at_end(reply)
    assert list(cursor.news(reply)) == []
    reply.append(" new")
    assert list(cursor.news(reply)) == [ReplyDelta("m", 5, " new")]


def test_reasoning_comes_before_the_text_and_its_end_is_told_once() -> None:
    reply = RunningReply(message(""))
    reply.started = True
    cursor = ReplyCursor("m")
    reply.append("", "Two ")
    assert list(cursor.news(reply)) == [ReplyStarted("m", 0), ReasoningDelta("m", 0, "Two ")]
    reply.append("", "and two")
    reply.append("Four")
    reply.thinking_ms = 900
    news = [ReasoningDelta("m", 4, "and two"), ReasoningEnded("m", 900), ReplyDelta("m", 0, "Four")]
    assert list(cursor.news(reply)) == news
    assert list(cursor.news(reply)) == []
    assert list(ReplyCursor.at_end(reply).news(reply)) == []
    assert (reply.text, str(reply.reasoning), reply.length) == ("Four", "Two and two", 15)


def test_a_reply_that_goes_on_thinking_sends_only_what_is_new() -> None:
    begun = replace(message(""), reasoning="Two ", timing=Timing(thinking_ms=500))
    reply = RunningReply(begun)
    assert reply.thinking_ms is None  # that was the time of the reply that it continues
    reply.append("", "and two")
    assert list(ReplyCursor.after(begun).news(reply)) == [ReasoningDelta("m", 4, "and two")]
    ended = replace(begun, content="Four", reasoning="Two and two", timing=Timing(thinking_ms=700))
    rest = [ReasoningDelta("m", 4, "and two"), ReasoningEnded("m", 700), ReplyDelta("m", 0, "Four")]
    assert list(ReplyCursor.after(begun).rest(ended)) == [ReplyStarted("m", 0), *rest]
