from __future__ import annotations

import pytest

from app.domain.reasoning import (
    TAGS,
    Phase,
    ReasoningSplitter,
    Said,
    answer_of,
    beginning,
    continued,
    opened_by,
    phase_after,
    split,
)

# With and without the opening tag, which a template may write into the prompt.
THOUGHT = "The person asks for 2+2.\n\n1. Two and two.\n2. Four."
ANSWER = "The answer is **4**."
REPLY = f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"
CASES = {
    "whole": (REPLY, Said(ANSWER, THOUGHT)),
    "nothing before the answer": ("Hello", Said("Hello", "")),
    "spaces before the tag": (f"\n\n {REPLY}", Said(ANSWER, THOUGHT)),
    "spaces before an answer stay": ("  indented", Said("  indented", "")),
    "empty": ("<think>\n\n</think>\n\nHi", Said("Hi", "")),
    "never closed": ("<think>\nIt is < 4 and </thin", Said("", "It is < 4 and </thin")),
    "no answer": ("<think>a</think>\n\n", Said("", "a")),
    "closed twice": ("<think>a</think>\n</think>\n\nb", Said("b", "a")),
    "a tag in the answer": ("Write `<think>`:\n```\n<think>a</think>\n```", None),
    "a tag in the answer after reasoning": (
        "<think>a</think>```\n<think>b</think>\n```",
        Said("```\n<think>b</think>\n```", "a"),
    ),
    "nearly a tag": ("<thin ice", Said("<thin ice", "")),
    "only the beginning of a tag": ("<thi", Said("<thi", "")),
    "spaces inside": ("<think>a  \n\n  b</think>c", Said("c", "a  \n\n  b")),
    "html": ("<b>bold</b>", Said("<b>bold</b>", "")),
}


def streamed(pieces: list[str], splitter: ReasoningSplitter) -> Said:
    found = [*(splitter.push(piece) for piece in pieces), splitter.flush()]
    return Said("".join(one.text for one in found), "".join(one.reasoning for one in found))


@pytest.mark.parametrize("name", CASES)
def test_wherever_a_reply_is_cut(name: str) -> None:
    text, expected = CASES[name]
    expected = expected or Said(text, "")
    assert streamed(list(text), ReasoningSplitter()) == expected
    for at in range(len(text) + 1):
        assert streamed([text[:at], text[at:]], ReasoningSplitter()) == expected
        for later in range(at, min(at + 12, len(text))):
            assert streamed([text[:at], text[at:later], text[later:]], ReasoningSplitter()) == expected


@pytest.mark.parametrize(("opening", "closing"), TAGS.items())
def test_every_tag(opening: str, closing: str) -> None:
    assert streamed(list(f"{opening}\na < b\n{closing}\n\nc"), ReasoningSplitter()) == Said("c", "a < b")
    assert opened_by(f"user: Hi\nassistant: {opening}\n") == opening
    assert split(f"a\n{closing}\n\nc") == Said("c", "a")


def test_a_prompt_that_opens_the_reasoning() -> None:
    text = REPLY.removeprefix("<think>\n")
    for at in range(len(text)):
        splitter = ReasoningSplitter(Phase.REASONING)
        assert streamed([text[:at], text[at:]], splitter) == Said(ANSWER, THOUGHT)
    assert opened_by("<|im_start|>assistant\n<think>\n\n</think>\n\n") is None


def test_reasoning_is_passed_on_at_once() -> None:
    splitter = ReasoningSplitter()
    assert splitter.push("<think>\nOne ") == Said("", "One")
    assert splitter.push("two") == Said("", " two")
    assert splitter.push("</think>\n\nSo") == Said("So", "")
    assert splitter.push(" <think>") == Said(" <think>", "")


def test_whole_replies() -> None:
    assert split(REPLY) == split(REPLY.removeprefix("<think>")) == Said(ANSWER, THOUGHT)
    for text in ("Write `</think>`\nat the end", "```\na\n</think>\n```", "The tag </think> ends it.", "plain"):
        assert split(text) == Said(text, "")
    assert answer_of("<think>only") == ""


def test_a_reply_is_continued_where_it_ended() -> None:
    def text(prompt: str, begun: str) -> str:
        return "".join(piece.text for piece in continued(prompt, begun))

    plain, opened, closed = "A: ", "A: <think>\n", "A: <think>\n\n</think>\n\n"
    assert text(plain, "") == plain
    assert text(plain, beginning("", "Hi")) == "A: Hi"
    assert text(plain, beginning("a", "")) == "A: <think>\na"
    assert text(plain, beginning("a", "Hi")) == "A: <think>\na\n</think>\n\nHi"
    assert text(opened, beginning("a", "")) == "A: <think>\na"
    assert text(opened, beginning("a", "Hi")) == "A: <think>\na\n</think>\n\nHi"
    assert text(opened, "Hi") == "A: <think>\n\n</think>\n\nHi"
    assert text(closed, beginning("a", "Hi")) == closed + "Hi"
    assert text(plain, "<think>\n\n</think>\n\n") == "A: <think>\n\n</think>\n\n"  # a program's way to say: don't think
    assert phase_after(beginning("a", "")) is Phase.REASONING
    assert phase_after(beginning("a", "Hi")) is phase_after("Hi") is Phase.ANSWER
    assert phase_after("") is Phase.BEFORE


def test_an_answer_that_is_continued_keeps_its_tags() -> None:
    begun = "It is:\n\n<think>\n</think>\n"
    assert [piece.text for piece in continued("A: ", begun)] == ["A: ", begun]


def test_spaces_stay_where_reasoning_is_continued() -> None:
    splitter = ReasoningSplitter(Phase.REASONING, is_continued=True)
    assert streamed([" more", "</think>", "\nb"], splitter) == Said("b", " more")


def test_nothing_piles_up_in_long_reasoning() -> None:
    splitter = ReasoningSplitter(Phase.REASONING)
    piece = "word " * 200
    for _ in range(2000):  # half a million words; each piece is passed on, so nothing piles up
        splitter.push(piece)
        assert len(splitter._held) <= len(piece)
