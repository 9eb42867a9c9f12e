"""Markdown plugin for the few HTML tags that models write in text: ``<br>``, and pairs of those in `PAIRED`.

Only literally, without attributes; all other HTML is text.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

PAIRED = ("sub", "sup", "kbd", "mark")
_TAG = re.compile(rf"<(?:(br) ?/?|({'|'.join(PAIRED)}))>", re.IGNORECASE)
_LONGEST = 1_000  # characters between the tags of a pair


def inline_tags_plugin(md: MarkdownIt) -> None:
    """Add the rule."""
    md.inline.ruler.before("autolink", "inline_tag", _rule)


def _rule(state: StateInline, silent: bool) -> bool:
    found = _TAG.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    if found[1]:
        if not silent:
            state.push("hardbreak", "br", 0)
        state.pos = found.end()
        return True
    name = found[2].lower()
    closing = re.compile(f"</{name}>", re.IGNORECASE)
    closed = closing.search(state.src, found.end(), min(state.posMax, found.end() + _LONGEST))
    if not closed:
        return False
    if not silent:
        end = state.posMax
        state.pos, state.posMax = found.end(), closed.start()
        state.push(f"{name}_open", name, 1)
        state.md.inline.tokenize(state)
        state.push(f"{name}_close", name, -1)
        state.posMax = end
    state.pos = closed.end()
    return True
