"""Renders code blocks: highlighted with CSS classes, in a figure with the language and a copy button."""

from __future__ import annotations

import re
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from frontends.render.languages import LANGUAGES

HIGHLIGHT_LIMIT = 100_000  # characters; longer code is shown plain
# No person writes longer lines or gaps, and the time of many lexers grows with their square.
_LINE_LIMIT = 1_000  # characters
_LONG_GAP = re.compile(r"\n[ \t]*+(?:\n[ \t]*+){50}")
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
        return self._html + plain(code[len(self._code) :])


def plain(code: str) -> str:
    """`code` as HTML without highlighting."""
    return escape(code, quote=False)


def highlighted(code: str, language: str) -> str:
    """`code` as HTML spans with Pygments' short class names.

    :func:`plain` if the language is not in `LANGUAGES`, or if the code would take long.
    """
    lexer = _lexer(language)
    if lexer is None or not code or _is_unusual(code):
        return plain(code)
    formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True)
    html: str = highlight(code, lexer, formatter)
    return html


def language_of(info: str) -> str:
    """The language that the text after an opening fence names: its first word."""
    return info.split(maxsplit=1)[0][:_LABEL_LIMIT] if info.strip() else ""


def code_figure(inner: str, language: str) -> str:
    """A code block; `inner` is the HTML of its code."""
    # The page's script labels the button: this HTML is the same in every language.
    return (
        f'<figure class="code" dir="ltr"><figcaption><span class="lang">{escape(language)}</span>'
        '<button type="button" class="copy" data-copy="" aria-label="Copy"></button></figcaption>'
        f'<pre><code class="highlight">{inner}</code></pre></figure>\n'
    )


def _is_unusual(code: str) -> bool:
    too_long = len(code) > HIGHLIGHT_LIMIT or max(map(len, code.split("\n"))) > _LINE_LIMIT
    return too_long or _LONG_GAP.search(code) is not None


def _lexer(language: str) -> Lexer | None:
    if language.lower() not in LANGUAGES:
        return None
    try:
        return get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False)
    except ClassNotFound:  # in another version of Pygments
        return None
