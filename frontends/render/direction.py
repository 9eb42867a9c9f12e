"""The direction of each block, left-to-right or right-to-left, which the browser finds by its first letter.

``dir="auto"`` on an element looks past descendants that have a ``dir`` of their own. So the first block in a quote, a
list, an item or a table has none: its text decides the container's direction, with bullets and bars on the right side.
"""

from __future__ import annotations

from markdown_it.rules_core import StateCore

_CONTAINERS = {
    *("blockquote_open", "bullet_list_open", "ordered_list_open", "list_item_open", "table_open"),
    "footnote_reference_open",
}
_LEAVES = {"paragraph_open", "heading_open", "th_open", "td_open"}


def directions(state: StateCore) -> None:
    """Core rule: set ``dir`` on the tokens of blocks."""
    has_child: list[bool] = []  # of each open container
    for token in state.tokens:
        kind = token.type.replace("_close", "_open")
        if token.nesting < 0 and kind in _CONTAINERS:
            has_child.pop()
        elif token.nesting > 0 and (kind in _LEAVES or kind in _CONTAINERS) and not token.hidden:
            if not has_child or has_child[-1]:
                token.attrSet("dir", "auto")
            if has_child:
                has_child[-1] = True
            if kind in _CONTAINERS:
                has_child.append(False)
        elif token.hidden and token.nesting > 0 and has_child:
            has_child[-1] = True
