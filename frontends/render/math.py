r"""Renders formulas as MathML: ``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]`` and amsmath environments.

The inline dollar rule is mdit-py-plugins'. The block rule is ours: the plugins' rules recognize a formula only once it
is closed, so that a running reply would first show a paragraph, or a list made of ``- b`` lines. Here an opening line
opens a formula, as an opening fence opens code; until it is closed its source is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin

from frontends.render.formulas import LIMIT, mathml

_ENVIRONMENT = re.compile(
    r"\\begin\{((?:equation|multline|gather(?:ed)?|align(?:ed|at|edat)?|flalign|eqnarray|split|[dr]?cases|array"
    r"|(?:small|[pbBvV])?matrix)\*?)\}"
)
_PRICE = re.compile(r"\$\d[^$\\^_={}<>+*/\n]{0,200}?\s[^\W\d_]{2,}[^$\\^_={}<>+*/\n]{0,200}\$")
_LOOK_BACK = 50  # lines; without a limit a long paragraph would take quadratic time
_TRAILING = ".,;:。，；："  # characters that may follow a closing delimiter on its line


def math_plugin(md: MarkdownIt) -> None:
    """Add the rules for all delimiters to `md`."""
    dollarmath_plugin(md, allow_space=False, allow_digits=False, allow_labels=False, double_inline=True)
    md.inline.ruler.before("math_inline", "price", _price_rule)
    md.block.ruler.at("math_block", _block_rule, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    md.inline.ruler.before("escape", "math_brackets", _bracket_rule)
    md.add_render_rule("math_inline", _render_inline)
    md.add_render_rule("math_inline_double", _render_inline)
    md.add_render_rule("math_block", _render_block)


def _render_inline(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    token = tokens[idx]
    converted = mathml(token.content, display=token.type == "math_inline_double")
    return converted or f'<code class="math" dir="ltr">{escape(token.content.strip(), quote=False)}</code>'


def _render_block(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    token = tokens[idx]
    converted = mathml(token.content, display=True) if token.meta["closed"] else None
    if converted:
        return f'<div class="math">{converted}</div>\n'
    return f'<pre class="math" dir="ltr"><code>{escape(token.content.strip(), quote=False)}</code></pre>\n'


def _price_rule(state: StateInline, silent: bool) -> bool:
    """``$5, or 5$``: a number with words after it and nothing of a formula in it. The dollar sign is text."""
    if state.src[state.pos] != "$" or not _PRICE.match(state.src, state.pos, state.posMax):
        return False
    if not silent:
        state.pending += "$"
    state.pos += 1
    return True


def _bracket_rule(state: StateInline, silent: bool) -> bool:
    r"""``\(…\)`` and ``\[…\]`` inside a paragraph."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in (r"\(", r"\["):
        return False
    closing = r"\)" if opening == r"\(" else r"\]"
    end = state.src.find(closing, state.pos + 2, min(state.posMax, state.pos + 2 + LIMIT))
    if end < 0 or not state.src[state.pos + 2 : end].strip():
        return False
    if not silent:
        token = state.push("math_inline" if opening == r"\(" else "math_inline_double", "math", 0)
        token.content = state.src[state.pos + 2 : end]
        token.markup = opening
    state.pos = end + 2
    return True


def _block_rule(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """A formula that starts on its own line, and ends with its delimiter, its container or the text.

    It interrupts a paragraph (`silent`) only if the opening line alone decides: a lone delimiter, or a formula that is
    complete on that line. A formula that begins beside its delimiter must be closed before the next blank line, with
    nothing after it; otherwise this is a paragraph that contains a formula.
    """
    first = _line(state, start_line)
    opening = None if state.is_code_block(start_line) else _opening(first)
    if opening is None or (state.parentType == "paragraph" and _inside_dollars(state, start_line, opening)):
        return False
    body = first[len(opening.text) :]
    closes_here = _before(opening.closing, body) is not None
    lone = not body.strip()
    if silent and not (lone or closes_here):
        return False
    if silent:
        return True
    lines, line = [body], start_line + 1
    while _before(opening.closing, lines[-1]) is None and not _ends(state, line, end_line):
        if not lone and (state.isEmpty(line) or opening.closing in lines[-1]):
            return False
        lines.append(_line(state, line))
        line += 1
    last = _before(opening.closing, lines[-1])
    if last is None and not lone and opening.closing in lines[-1]:
        return False
    content = "\n".join([*lines[:-1], lines[-1] if last is None else last])
    state.line = line
    token = state.push("math_block", "math", 0)
    token.block = True
    token.content = f"{opening.text}{content}{opening.closing}" if opening.environment else content
    token.meta = {"closed": last is not None}
    token.map = [start_line, line]
    return True


def _ends(state: StateBlock, line: int, end_line: int) -> bool:
    """Whether the text, or the list item that contains the formula, ends before `line`."""
    return line >= end_line or (not state.isEmpty(line) and state.sCount[line] < state.blkIndent)


def _before(closing: str, line: str) -> str | None:
    """The text before the closing delimiter if that ends the line, apart from punctuation; otherwise ``None``."""
    text = line.rstrip().rstrip(_TRAILING).rstrip()
    found = text.find(closing)
    return text[:found] if found >= 0 and found == len(text) - len(closing) else None


class _Opening(NamedTuple):
    text: str
    closing: str
    environment: bool = False


def _opening(line: str) -> _Opening | None:
    """The opening delimiter that `line` starts with."""
    if line.startswith("$$"):
        return _Opening("$$", "$$")
    if line.startswith(r"\["):
        return _Opening(r"\[", r"\]")
    found = _ENVIRONMENT.match(line)
    return _Opening(found[0], rf"\end{{{found[1]}}}", environment=True) if found else None


def _inside_dollars(state: StateBlock, line: int, opening: _Opening) -> bool:
    """Whether ``$$`` at the start of `line` closes a formula opened earlier in the same paragraph."""
    if opening.text != "$$":
        return False
    first = max(state.line, line - _LOOK_BACK)  # state.line: where the paragraph begins
    return sum(_line(state, above).count("$$") for above in range(first, line)) % 2 == 1


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
