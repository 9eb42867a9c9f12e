"""Footnotes: ``text[^1]`` and ``[^1]: the note``.

A note stands where it was written, usually at the end, under its label, and is referred to by its label. So a block
needs no more of the others than the labels that are defined; a reference to a label without a note is text, as in a
regular expression like ``[^abc]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.footnote import footnote_plugin

_REFERENCE = re.compile(r"\[\^([^\]\s]+)\]")


def footnotes_plugin(md: MarkdownIt) -> None:
    """Add the rules."""
    footnote_plugin(md, inline=False, move_to_end=False)
    md.add_render_rule("footnote_ref", _render_reference)
    md.add_render_rule("footnote_reference_open", _render_open)
    md.add_render_rule("footnote_reference_close", lambda *_: "</div></div>\n")


def with_labels(env: EnvType, labels: Iterable[str]) -> EnvType:
    """`env` for the inline rules, in which these labels have notes."""
    return {**env, "footnotes": {"refs": {f":{label}": -1 for label in labels}, "list": {}}}


def defined(tokens: Iterable[Token]) -> frozenset[str]:
    """The labels of the notes in `tokens`."""
    return frozenset(token.meta["label"] for token in tokens if token.type == "footnote_reference_open")


def mentioned(tokens: Iterable[Token]) -> frozenset[str]:
    """The labels that `tokens` may refer to."""
    texts = (token.content for token in tokens if token.type == "inline")
    return frozenset(label for text in texts for label in _REFERENCE.findall(text))


def _render_reference(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    return f'<sup class="footnote">{escape(tokens[idx].meta["label"])}</sup>'


def _render_open(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    direction = ' dir="auto"' if tokens[idx].attrGet("dir") else ""
    label = escape(tokens[idx].meta["label"])
    return f'<div class="footnote"{direction}><span class="label">{label}</span><div class="note">'
