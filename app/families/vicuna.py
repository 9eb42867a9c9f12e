"""Vicuna 1.1: a system sentence, then ``USER: … ASSISTANT: …</s>`` on one line.

Source: https://github.com/lm-sys/FastChat/blob/main/docs/vicuna_weights_version.md (version 1.1 and later). A system
turn takes the place of the usual sentence. ``</s>`` is LLaMA's end-of-text piece, which the tokenizer turns into one
token; as text it ends no reply (``stop``), or no one could be told about HTML's ``<s>``.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.messages import Role, Turn
from app.families.base import Family

_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def render(turns: Sequence[Turn]) -> str:
    """The prompt for a reply to the last turn."""
    system = _SYSTEM
    parts: list[str] = []
    for turn in turns:
        if turn.role is Role.SYSTEM:
            system = turn.content
        elif turn.role is Role.USER:
            parts.append(f"USER: {turn.content} ")
        else:
            parts.append(f"ASSISTANT: {turn.content}</s>")
    return f"{system} {''.join(parts)}ASSISTANT:"


FAMILY = Family(name="vicuna", title="Vicuna 1.1", render=render, stop=("USER:",))
