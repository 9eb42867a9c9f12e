"""The prompt of ChatGLM2 and the clean-up of ChatGLM2's and ChatGLM3's replies, without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.domain.messages import Role, Turn
from app.families import load_families

GOLDEN = Path(__file__).parents[1] / "golden" / "chatglm2" / "chat" / "chatglm2.json"
SYSTEM, USER, ASSISTANT = Role.SYSTEM, Role.USER, Role.ASSISTANT


def rendered(*turns: Turn) -> str:
    render = load_families()["chatglm2"].render
    assert render is not None
    return render(turns)


def cleaned(family: str, *texts: str) -> str:
    cleaner = load_families()[family].cleaner
    assert cleaner is not None
    its = cleaner()
    return "".join([*map(its.push, texts), its.flush()])


def golden_chats() -> Any:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))["chat"]


def test_a_question() -> None:
    assert rendered(Turn(USER, "你好")) == "[Round 1]\n\n问：你好\n\n答："


def test_rounds_are_counted_from_one() -> None:
    assert rendered(Turn(USER, "a"), Turn(ASSISTANT, "b"), Turn(USER, "c")) == (
        "[Round 1]\n\n问：a\n\n答：b\n\n[Round 2]\n\n问：c\n\n答："
    )


def test_a_system_turn_stands_before_the_rounds() -> None:
    assert rendered(Turn(SYSTEM, "Be brief."), Turn(USER, "a")) == "Be brief.\n\n[Round 1]\n\n问：a\n\n答："


def test_a_reply_that_lost_its_question() -> None:
    assert rendered(Turn(ASSISTANT, "b"), Turn(USER, "c")) == (
        "[Round 1]\n\n问：\n\n答：b\n\n[Round 2]\n\n问：c\n\n答："
    )


def test_a_question_that_was_never_answered() -> None:
    assert rendered(Turn(USER, "a"), Turn(USER, "c")) == "[Round 1]\n\n问：a\n\n答：\n\n[Round 2]\n\n问：c\n\n答："


@pytest.mark.parametrize("number", range(4))
def test_the_originals_prompts(number: int) -> None:
    golden = golden_chats()[number]
    turns = [Turn(role, text) for pair in golden["history"] for role, text in zip((USER, ASSISTANT), pair, strict=True)]
    assert rendered(*turns, Turn(USER, golden["query"])) == golden["prompt"]


@pytest.mark.parametrize("family", ["chatglm2", "chatglm3"])
def test_a_reply_is_stripped_and_dated_and_its_punctuation_kept(family: str) -> None:
    assert cleaned(family, "\n", " 你好", ",", "[[训练", "时间]]", "!  \n") == "你好,2023年!"


def test_chatglm3_leaves_its_prompt_to_the_tokenizer() -> None:
    assert load_families()["chatglm3"].render is None
