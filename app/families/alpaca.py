"""Stanford Alpaca: one instruction, optionally with an input, and one response.

Source: https://github.com/tatsu-lab/stanford_alpaca (README, "Data Release": the two prompts, to the letter).

Alpaca was trained on single instructions, not conversations. A chat is therefore rendered like this:

* the last user turn is the instruction;
* a system turn and earlier turns become the *input*, "paired with the instruction to provide further context", each
  earlier turn as ``User: …`` or ``Assistant: …`` on a line of its own;
* with neither, the prompt without an input is used.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.messages import Role, Turn
from app.families.base import Family

_WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)
_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)
_NAMES = {Role.USER: "User: ", Role.ASSISTANT: "Assistant: ", Role.SYSTEM: ""}


def render(turns: Sequence[Turn]) -> str:
    """The prompt for a reply to the last turn."""
    *earlier, last = turns
    context = "\n".join(_NAMES[turn.role] + turn.content for turn in earlier)
    if not context:
        return _WITHOUT_INPUT.format(instruction=last.content)
    return _WITH_INPUT.format(instruction=last.content, input=context)


FAMILY = Family(name="alpaca", title="Alpaca", render=render, stop=("### Instruction:", "### Input:", "### Response:"))
