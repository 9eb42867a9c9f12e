"""Markdown plugin for ``**bold**`` beside Chinese, Japanese and Korean characters.

CommonMark decides by spaces and punctuation whether ``**`` may open or close, which fails in text without spaces
between words: in ``**注意：**请看`` the second ``**`` may not close. Here a CJK character on the outer side of a run of
asterisks counts as a space. Models often write such text.
"""

from __future__ import annotations

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

_MARKERS = "*_"


def cjk_emphasis_plugin(md: MarkdownIt) -> None:
    """Replace the rule that finds emphasis delimiters; the library still pairs them."""
    md.inline.ruler.at("emphasis", _emphasis_rule)


def _emphasis_rule(state: StateInline, silent: bool) -> bool:
    marker = state.src[state.pos]
    if silent or marker not in _MARKERS:
        return False
    start = state.pos
    scanned = state.scanDelims(start, marker == "*")
    can_open, can_close = scanned.can_open, scanned.can_close
    if marker == "*":
        before = state.src[start - 1] if start else " "
        after = state.src[start + scanned.length] if start + scanned.length < state.posMax else " "
        can_open = can_open or (_is_cjk(before) and _is_punctuation(after))
        can_close = can_close or (_is_cjk(after) and _is_punctuation(before))
    for _ in range(scanned.length):
        state.push("text", "", 0).content = marker
        state.delimiters.append(
            Delimiter(ord(marker), scanned.length, len(state.tokens) - 1, end=-1, open=can_open, close=can_close)
        )
    state.pos += scanned.length
    return True


def _is_punctuation(ch: str) -> bool:
    return isMdAsciiPunct(ord(ch)) or isPunctChar(ch)


def _is_cjk(ch: str) -> bool:
    code = ord(ch)
    return (
        0x2E80 <= code <= 0x9FFF or 0xAC00 <= code <= 0xD7AF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF
    )
