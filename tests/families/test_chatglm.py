"""The first ChatGLM's prompts and the clean-up of its replies, against the original's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.messages import Role, Turn
from app.families.chatglm_prompt import FAMILY, ChatGLMCleaner, render

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "chatglm" / "chat" / "cases.json").read_text(encoding="utf-8")
)
USER, ASSISTANT, SYSTEM = Role.USER, Role.ASSISTANT, Role.SYSTEM
# Letters, blanks, punctuation, Chinese on both sides of the range, and pieces of the mark.
LIVELY = st.lists(st.sampled_from([*"a中一鿿ꀀ \n,!:;?[]", "[[训练", "时间]]", "[[训练时间]]"]))


@pytest.mark.parametrize("case", GOLDEN["chat"], ids=lambda case: f"{len(case['history'])}-{case['query'][:12]}")
def test_prompts_are_the_originals(case: dict[str, Any]) -> None:
    turns = [Turn(role, text) for pair in case["history"] for role, text in zip((USER, ASSISTANT), pair, strict=True)]
    assert render([*turns, Turn(USER, case["query"])]) == case["prompt"]


def test_one_question_as_a_literal() -> None:
    assert render([Turn(USER, "你好")]) == "你好"


def test_a_conversation_as_a_literal() -> None:
    turns = [Turn(USER, "你好"), Turn(ASSISTANT, "你好！"), Turn(USER, "再见")]
    assert render(turns) == "[Round 0]\n问：你好\n答：你好！\n[Round 1]\n问：再见\n答："


def test_a_system_turn_stands_before_everything() -> None:
    assert render([Turn(SYSTEM, "简短。"), Turn(USER, "你好")]) == "简短。\n你好"
    turns = [Turn(SYSTEM, "简短。"), Turn(USER, "你好"), Turn(ASSISTANT, "嗯"), Turn(USER, "好")]
    assert render(turns) == "简短。\n[Round 0]\n问：你好\n答：嗯\n[Round 1]\n问：好\n答："


def test_turns_that_lost_their_neighbour() -> None:
    """The oldest question was left out, and one reply never came."""
    turns = [Turn(ASSISTANT, "嗯"), Turn(USER, "一"), Turn(USER, "二")]
    assert render(turns) == "[Round 0]\n问：\n答：嗯\n[Round 1]\n问：一\n答：\n[Round 2]\n问：二\n答："


def cleaned(pieces: list[str]) -> str:
    assert FAMILY.cleaner is not None
    cleaner = FAMILY.cleaner()
    return "".join([*(cleaner.push(piece) for piece in pieces), cleaner.flush()])


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize("case", GOLDEN["process_response"], ids=lambda case: repr(case["input"]))
def test_cleaning_is_the_originals(case: dict[str, str], size: int) -> None:
    text = case["input"]
    assert cleaned([text[start : start + size] for start in range(0, len(text), size)]) == case["output"]


@given(LIVELY)
def test_cleaning_does_not_depend_on_how_the_text_comes(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert cleaned(pieces) == cleaned(list(text)) == cleaned([text])


def test_text_is_held_back_no_longer_than_it_must_be() -> None:
    cleaner = ChatGLMCleaner()
    assert [cleaner.push(piece) for piece in (" ", "a", ",", "b", "好", ",", " ", "c", "[[训", "x")] == [
        "", "a", "", ",b", "好", "，", "", " c", "", "[[训x"
    ]  # fmt: skip
    assert cleaner.push("? ") == "?"
    assert cleaner.push("!") == " "
    assert cleaner.flush() == "!"
