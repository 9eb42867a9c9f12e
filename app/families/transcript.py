"""The conversation as a transcript, for base models without a chat format, such as LLaMA itself.

Such a model continues a text: after the transcript of a helpful conversation, with a helpful reply, which ends at the
next ``User:``. A system turn replaces the first line.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.messages import Role, Turn
from app.families.base import Family

_SCENE = "The following is a conversation between a user and a helpful, knowledgeable assistant."
_NAMES = {Role.USER: "User", Role.ASSISTANT: "Assistant"}


def render(turns: Sequence[Turn]) -> str:
    """The prompt for a reply to the last turn."""
    scene = next((turn.content for turn in turns if turn.role is Role.SYSTEM), _SCENE)
    lines = [f"{_NAMES[turn.role]}: {turn.content}" for turn in turns if turn.role is not Role.SYSTEM]
    return "\n".join([scene, "", *lines, "Assistant:"])


FAMILY = Family(
    name="transcript", title="A transcript, for models without a chat format", render=render, stop=("\nUser:",)
)
