"""BELLE: ``Human:`` and ``Assistant:`` paragraphs, each with a space and a newline after its colon.

Source: https://github.com/LianjiaTech/BELLE (models/README: ``Human: \\n{input}\\n\\nAssistant: \\n``). Earlier turns
follow one another in the same format, as in its training data. The format has no system turn: a system prompt is a
paragraph before the first ``Human:``.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.messages import Role, Turn
from app.families.base import Family

_PREFIX = {Role.SYSTEM: "", Role.USER: "Human: \n", Role.ASSISTANT: "Assistant: \n"}


def render(turns: Sequence[Turn]) -> str:
    """The prompt for a reply to the last turn."""
    return "".join(f"{_PREFIX[turn.role]}{turn.content}\n\n" for turn in turns) + _PREFIX[Role.ASSISTANT]


FAMILY = Family(name="belle", title="BELLE", render=render, stop=("Human:",))
