"""ChatGLM2-6B: numbered rounds of ``问：`` (question) and ``答：`` (answer), counted from 1.

Source: the golden prompts of tests/golden/chatglm2 (what the published model's own chat code makes). The two special
tokens in front, [gMASK] and sop, are added by the tokenizer. The format has no system turn: a system prompt
is a paragraph before the first round.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from app.domain.messages import Role, Turn
from app.families.base import Family
from app.families.chatglm_prompt import ChatGLMCleaner


def render(turns: Sequence[Turn]) -> str:
    """The prompt for a reply to the last turn."""
    paragraphs: list[str] = []
    rounds = 0
    for turn in turns:
        if turn.role is Role.SYSTEM:
            paragraphs.append(turn.content)
        elif turn.role is Role.USER:
            rounds += 1
            paragraphs += [f"[Round {rounds}]", f"问：{turn.content}", "答："]
        elif paragraphs and paragraphs[-1] == "答：":
            paragraphs[-1] += turn.content
        else:  # a reply without its question, when the oldest turns were dropped
            rounds += 1
            paragraphs += [f"[Round {rounds}]", "问：", f"答：{turn.content}"]
    return "\n\n".join(paragraphs)


FAMILY = Family(
    name="chatglm2", title="ChatGLM2", render=render, cleaner=functools.partial(ChatGLMCleaner, punctuation=False)
)
