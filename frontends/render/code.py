"""Renders code blocks: highlighted with CSS classes, in a figure with the language and a copy button."""

from __future__ import annotations

from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

HIGHLIGHT_LIMIT = 100_000  # characters; longer code is shown plain
_LABEL_LIMIT = 30


class OpenCode:
    """Highlights a growing code block in time linear in its length.

    Highlighting the whole block after each addition would be quadratic. Below `SMALL` characters that does not matter;
    above it the highlighted lines are kept, newer text is shown plain, and everything is highlighted again each time
    the block has grown by a quarter.
    """

    SMALL = 2_000
    GROWTH = 1.25

    def __init__(self) -> None:
        self._language = ""
        self._code = ""
        self._html = ""

    def html(self, code: str, language: str) -> str:
        """Like :func:`highlighted`, for successive versions of one block."""
        known = language == self._language and code.startswith(self._code)
        if len(code) < self.SMALL or not known or len(code) > self.GROWTH * len(self._code):
            self._language, self._code = language, code[: code.rfind("\n") + 1]
            self._html = highlighted(self._code, language)
        return self._html + escape(code[len(self._code) :], quote=False)


def highlighted(code: str, language: str) -> str:
    """`code` as HTML spans with Pygments' short class names; just escaped when the language is unknown."""
    lexer = _lexer(language)
    if lexer is None or not code or len(code) > HIGHLIGHT_LIMIT:
        return escape(code, quote=False)
    formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True)
    html: str = highlight(code, lexer, formatter)
    return html


def code_figure(code: str, info: str, growing: OpenCode | None = None) -> str:
    """A code block. `info` is the text after the opening fence; its first word names the language."""
    language = info.split(maxsplit=1)[0][:_LABEL_LIMIT] if info.strip() else ""
    inner = growing.html(code, language) if growing else highlighted(code, language)
    # The page's script labels the button: this HTML is the same in every language.
    return (
        f'<figure class="code"><figcaption><span class="lang">{escape(language)}</span>'
        '<button type="button" class="copy" data-copy="" aria-label="Copy"></button></figcaption>'
        f'<pre><code class="highlight">{inner}</code></pre></figure>\n'
    )


def _lexer(language: str) -> Lexer | None:
    if not language:
        return None
    try:
        return get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
