"""Renders Markdown as sanitized HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from markdown_it import MarkdownIt, rules_core
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from frontends.render.code import OpenCode, code_figure, highlighted, language_of, plain
from frontends.render.emphasis import cjk_emphasis_plugin
from frontends.render.math import math_plugin
from frontends.render.sanitize import Sanitizer

LIMIT = 200_000  # characters; a longer text is shown as plain text

_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParsedBlock:
    """A top-level block: the line where it starts, and its tokens, whose inline content is not parsed yet."""

    line: int
    tokens: list[Token]


class MarkdownRenderer:
    """Renders whole texts and single top-level blocks. Immutable after construction; threads may share it."""

    def __init__(self, *, highlight: bool = True) -> None:
        """`highlight`: whether code is highlighted."""
        self._highlight = highlight
        self._sanitizer = Sanitizer()
        self._whole = _parser()
        # A single block can't know the link definitions of other blocks: there, definitions are text.
        self._part = _parser().disable("reference")

    def render(self, text: str) -> str:
        """The HTML of a whole text."""
        text = normalized(text)
        if len(text) > LIMIT:
            return f"<p>{_escaped_lines(text)}</p>"
        return self._sanitizer.clean(self._whole.render(text, {"highlight": self._highlight}))

    def parse_blocks(self, text: str) -> list[ParsedBlock]:
        """Split `text` (normalized) into its top-level blocks."""
        tokens: list[Token] = []
        self._part.block.parse(text, self._part, {}, tokens)
        starts = [i for i, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0]
        groups = (tokens[a:b] for a, b in pairwise([*starts, len(tokens)]))
        return [ParsedBlock(group[0].map[0] if group[0].map else 0, group) for group in groups]

    def render_block(self, block: ParsedBlock, growing: OpenCode | None = None) -> str:
        """The HTML of one block. `growing`: highlights its code while it is being written."""
        env: EnvType = {"highlight": self._highlight, "growing": growing}
        state = StateCore("", self._part, env, block.tokens)
        for rule in (rules_core.inline, rules_core.text_join, _images_as_links):
            rule(state)
        return self._sanitizer.clean(self._part.renderer.render(block.tokens, self._part.options, env))


def user_html(text: str) -> str:
    """The HTML of a user's text: escaped, line breaks kept, no Markdown."""
    return f"<p>{_escaped_lines(normalized(text))}</p>"


def normalized(text: str) -> str:
    """`text` with ``\\n`` line ends and without NUL and lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "�")
    return text.encode("utf-8", "replace").decode("utf-8")


def _escaped_lines(text: str) -> str:
    return escape(text, quote=False).replace("\n", "<br>")


def _parser() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 40}).enable(["table", "strikethrough"])
    math_plugin(md)
    cjk_emphasis_plugin(md)
    md.inline.ruler.before("autolink", "break_tag", _break_rule)
    md.core.ruler.push("images_as_links", _images_as_links)
    md.add_render_rule("fence", _render_fence)
    md.add_render_rule("code_block", _render_fence)
    md.add_render_rule("table_open", lambda *_: '<div class="table"><table>\n')
    md.add_render_rule("table_close", lambda *_: "</table></div>\n")
    md.add_render_rule("th_open", _render_cell)
    md.add_render_rule("td_open", _render_cell)
    return md


def _render_fence(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, env: EnvType
) -> str:
    code, language = tokens[idx].content, language_of(tokens[idx].info)
    growing: OpenCode | None = env.get("growing")
    if not env["highlight"]:
        inner = plain(code)
    elif growing:
        inner = growing.html(code, language)
    else:
        inner = highlighted(code, language)
    return code_figure(inner, language)


def _render_cell(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    """A table cell with its alignment as a class instead of the library's inline style."""
    style = str(tokens[idx].attrGet("style") or "")
    alignment = style.removeprefix("text-align:")
    return f'<{tokens[idx].tag} class="{escape(alignment)}">' if alignment else f"<{tokens[idx].tag}>"


def _break_rule(state: StateInline, silent: bool) -> bool:
    """Render ``<br>``, the one HTML tag supported: models use it for line breaks in table cells."""
    found = _BREAK.match(state.src, state.pos)
    if not found:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True


def _images_as_links(state: StateCore) -> None:
    """Replace images by links, since loading an image would tell its server who reads what."""
    for token in state.tokens:
        if token.children and any(child.type == "image" for child in token.children):
            token.children = _without_images(token.children)


def _without_images(children: list[Token]) -> list[Token]:
    shown: list[Token] = []
    links = 0
    for child in children:
        links += child.nesting if child.type in ("link_open", "link_close") else 0
        if child.type != "image":
            shown.append(child)
            continue
        source = str(child.attrGet("src") or "")
        text = Token("text", "", 0, content=child.content or source)
        link = Token("link_open", "a", 1, attrs={"href": source})
        shown.extend([text] if links else [link, text, Token("link_close", "a", -1)])
    return shown
