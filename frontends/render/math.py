r"""Formulas: ``$…$``, ``$$…$$``, ``\(…\)``, ``\[…\]`` and amsmath environments, as MathML.

The inline dollar rule is mdit-py-plugins'. The block rule is ours: the plugins' wait for the closing
delimiter before they see a formula at all, so that a reply being written would first show a paragraph,
or a list made of ``- b`` lines. Here an opening line opens a formula, as an opening fence opens code;
until it is closed its source is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape, unescape
from xml.etree.ElementTree import tostring

from latex2mathml import exceptions as tex_errors
from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin

LIMIT = 4_000  # characters of one formula

_ENVIRONMENT = re.compile(r"\\begin\{((?:equation|multline|gather|align|alignat|flalign|eqnarray|[pbBvV]?matrix)\*?)\}")
_DEFINES = re.compile(r"\\(?:(?:re)?newcommand|providecommand|[egx]?def|let)\b")  # macros can grow without bound
_LOOK_BACK = 50  # lines, so that a paragraph of many thousand does not take the square of its length
_TRAILING = ".,;:。，；："  # what may follow a closing delimiter on its line
_CONVERSION_ERRORS: tuple[type[Exception], ...] = (
    *(e for e in vars(tex_errors).values() if isinstance(e, type) and issubclass(e, Exception)),
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
    RuntimeError,  # a StopIteration inside one of the converter's generators
    StopIteration,
)


def math_plugin(md: MarkdownIt) -> None:
    """Teach `md` all the delimiters."""
    dollarmath_plugin(md, allow_space=False, allow_digits=False, allow_labels=False, double_inline=True)
    md.block.ruler.at("math_block", _block_rule, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    md.inline.ruler.before("escape", "math_brackets", _bracket_rule)
    md.add_render_rule("math_inline", _render_inline)
    md.add_render_rule("math_inline_double", _render_inline)
    md.add_render_rule("math_block", _render_block)


def mathml(source: str, *, display: bool) -> str | None:
    """MathML for a formula in TeX, or ``None`` when it cannot be converted."""
    if not source.strip() or len(source) > LIMIT or _DEFINES.search(source):
        return None
    try:
        tree = Converter(display="block" if display else "inline").convert_to_element(source)
    except _CONVERSION_ERRORS:
        return None
    # The converter puts character references into its texts and unescapes the finished document, which
    # would make markup out of a formula's own text. Resolving them first lets the serializer escape.
    for element in tree.iter():
        element.text = unescape(element.text) if element.text else element.text
        element.attrib.pop("xmlns", None)
    return tostring(tree, encoding="unicode")


def _render_inline(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    token = tokens[idx]
    converted = mathml(token.content, display=token.type == "math_inline_double")
    return converted or f'<code class="math">{escape(token.content.strip(), quote=False)}</code>'


def _render_block(
    _self: RendererProtocol, tokens: Sequence[Token], idx: int, _options: OptionsDict, _env: EnvType
) -> str:
    token = tokens[idx]
    converted = mathml(token.content, display=True) if token.meta["closed"] else None
    if converted:
        return f'<div class="math">{converted}</div>\n'
    return f'<pre class="math"><code>{escape(token.content.strip(), quote=False)}</code></pre>\n'


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
    """A formula that starts on a line of its own; ends with its delimiter, its container or the text.

    One that begins beside its opening delimiter must be done before the next blank line; else, and when
    words follow the closing delimiter, this is a paragraph with a formula in it.
    """
    if state.is_code_block(start_line):
        return False
    first = _line(state, start_line)
    found = _opening(first)
    if found is None or (state.parentType == "paragraph" and _inside_dollars(state, start_line, found[0])):
        return False
    opening, closing = found
    body = first[len(opening) :]
    lone = not body.strip()
    lines: list[str] = []
    line, closed = start_line, False
    while True:
        at = body.find(closing)
        if at >= 0:
            if body[at + len(closing) :].strip().strip(_TRAILING):
                return False
            lines.append(body[:at])
            closed = True
            break
        lines.append(body)
        line += 1
        if line >= end_line or (not state.isEmpty(line) and state.sCount[line] < state.blkIndent):
            break
        if not lone and state.isEmpty(line):
            return False
        body = _line(state, line)
    if silent:
        return True
    state.line = line + 1 if closed else line
    token = state.push("math_block", "math", 0)
    token.block = True
    token.content = "\n".join(lines) if opening[:2] in ("$$", r"\[") else f"{opening}{chr(10).join(lines)}{closing}"
    token.meta = {"closed": closed}
    token.map = [start_line, state.line]
    return True


def _opening(line: str) -> tuple[str, str] | None:
    """The opening delimiter that `line` starts with, and the closing one that belongs to it."""
    if line.startswith("$$"):
        return "$$", "$$"
    if line.startswith(r"\["):
        return r"\[", r"\]"
    if environment := _ENVIRONMENT.match(line):
        return environment[0], rf"\end{{{environment[1]}}}"
    return None


def _inside_dollars(state: StateBlock, line: int, opening: str) -> bool:
    """Whether ``$$`` at the start of `line` closes what was opened earlier in the same paragraph."""
    if opening != "$$":
        return False
    first = max(state.line, line - _LOOK_BACK)  # state.line: where the paragraph began
    return sum(_line(state, above).count("$$") for above in range(first, line)) % 2 == 1


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
