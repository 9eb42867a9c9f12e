"""Task lists: ``- [x] done``. The box is shown, and can't be clicked."""

from __future__ import annotations

import re

from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_BOX = re.compile(r"\[([ xX])\][ \u00a0]")


def task_lists(state: StateCore) -> None:
    """Core rule, after the inline rules: boxes in place of ``[ ]`` and ``[x]`` at the beginning of list items."""
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if item.type != "list_item_open" or paragraph.type != "paragraph_open" or not inline.children:
            continue
        box, first = _BOX.match(inline.content), inline.children[0]
        if not box or first.type != "text" or not first.content.startswith(box[0]):
            continue
        item.attrSet("class", "task")
        first.content = first.content[len(box[0]) :]
        checked: dict[str, str | int | float] = {"checked": ""} if box[1] in "xX" else {}
        # The sanitizer adds the type.
        inline.children.insert(0, Token("task_box", "input", 0, attrs={**checked, "disabled": ""}))
