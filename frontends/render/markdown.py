"""Renders Markdown as sanitized HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from markdown_it import MarkdownIt, rules_core
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from frontends.render.code import OpenCode, code_figure, highlighted, language_of, plain
from frontends.render.direction import directions
from frontends.render.emphasis import cjk_emphasis_plugin
from frontends.render.footnotes import defined, footnotes_plugin, mentioned, with_labels
from frontends.render.inline_tags import inline_tags_plugin
from frontends.render.links import bare_links_plugin
from frontends.render.math import math_plugin
from frontends.render.sanitize import Sanitizer
from frontends.render.task_lists import task_lists

LIMIT = 200_000  # characters; a longer text is shown as plain text


@dataclass(frozen=True, slots=True)
class ParsedBlock:
    """A top-level block: the line where it starts, and its tokens, whose inline content is not parsed yet."""

    line: int
    tokens: list[Token]

    @property
    def defines(self) -> frozenset[str]:
        """The labels of the footnotes in it."""
        return defined(self.tokens)

    @property
    def mentions(self) -> frozenset[str]:
        """The labels of the footnotes that it may refer to."""
        return mentioned(self.tokens)

    @property
    def length(self) -> int:
        """Characters of text."""
        return sum(len(token.content) for token in self.tokens)


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
            return user_html(text)
        return self._sanitizer.clean(self._whole.render(text, {"highlight": self._highlight}))

    def parse_blocks(self, text: str) -> list[ParsedBlock]:
        """Split `text` (normalized) into its top-level blocks."""
        tokens: list[Token] = []
        self._part.block.parse(text, self._part, {}, tokens)
        starts = [i for i, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0]
        groups = (tokens[a:b] for a, b in pairwise([*starts, len(tokens)]))
        return [ParsedBlock(group[0].map[0] if group[0].map else 0, group) for group in groups]

    def render_block(
        self, block: ParsedBlock, labels: frozenset[str] = frozenset(), growing: OpenCode | None = None
    ) -> str:
        """The HTML of one block, as often as wanted.

        `labels`: those of all footnotes known. `growing`: highlights the block's code while it is being written.
        """
        env = with_labels({"highlight": self._highlight, "growing": growing}, labels | block.defines)
        state = StateCore("", self._part, env, block.tokens)
        for token in block.tokens:
            token.children = [] if token.type == "inline" else token.children
        for rule in (rules_core.inline, rules_core.text_join, *_CORE_RULES):
            rule(state)
        return self._sanitizer.clean(self._part.renderer.render(block.tokens, self._part.options, env))


def user_html(text: str) -> str:
    """The HTML of a user's text: escaped, line breaks kept, no Markdown."""
    lines = escape(normalized(text), quote=False).replace("\n", "<br>")
    return f'<p dir="auto">{lines}</p>'


def normalized(text: str) -> str:
    """`text` with ``\\n`` line ends and without NUL and lone surrogates."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "�")
    return text.encode("utf-8", "replace").decode("utf-8")


def _parser() -> MarkdownIt:
    md = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 40}).enable(["table", "strikethrough"])
    for plugin in (math_plugin, cjk_emphasis_plugin, inline_tags_plugin, bare_links_plugin, footnotes_plugin):
        plugin(md)
    for rule in _CORE_RULES:
        md.core.ruler.push(rule.__name__, rule)
    md.add_render_rule("code_inline", _render_code)
    md.add_render_rule("fence", _render_fence)
    md.add_render_rule("code_block", _render_fence)
    md.add_render_rule("table_open", _render_table)
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


def _render_code(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    return f'<code dir="ltr">{escape(tokens[idx].content)}</code>'


def _render_table(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    return f'<div class="table"><table{_direction(tokens[idx])}>\n'


def _render_cell(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    """A table cell with its alignment as a class instead of the library's inline style."""
    style = str(tokens[idx].attrGet("style") or "")
    alignment = style.removeprefix("text-align:")
    of_class = f' class="{escape(alignment)}"' if alignment else ""
    return f"<{tokens[idx].tag}{of_class}{_direction(tokens[idx])}>"


def _direction(token: Token) -> str:
    return ' dir="auto"' if token.attrGet("dir") else ""


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


_CORE_RULES = (_images_as_links, task_lists, directions)
