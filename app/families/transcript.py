"""For models that were never taught a chat format, such as LLaMA itself: the conversation as a written transcript.

Such a model continues a text. One that reads like the record of a helpful conversation is continued by a helpful reply,
and at the next ``User:`` the reply is over. A system turn takes the place of the first line.
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
