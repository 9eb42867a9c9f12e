"""One formula as MathML, within limits."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from math_core import LatexError, LatexToMathML

from frontends.render.formulas.macros import MACROS
from frontends.render.formulas.markup import finished
from frontends.render.formulas.reading import Unconvertible, depth, unclosed, without_comments
from frontends.render.formulas.rewriting import Rewriter

LIMIT = 8_000  # characters per formula
_DEPTH = 60  # browsers flatten what is nested deeper than some hundred elements
_UNCLOSED = 16  # brackets; the converter's time doubles with each
_GROWTH = 20  # a rewritten formula is at most this many times as long
_EXPANSIONS = 2_000
_CACHED_LENGTH = 500
_DEFINES = re.compile(r"\\(?:(?:re)?newcommand|providecommand|[egx]?def|let|DeclareMathOperator)\b")


def mathml(source: str, *, display: bool) -> str | None:
    """MathML for a formula in LaTeX, or ``None`` when a part of it cannot be converted.

    `display`: set apart on a line of its own. Formulas that define commands are refused, since those can grow without
    bound.
    """
    if not source.strip() or len(source) > LIMIT or _DEFINES.search(source):
        return None
    # An open block is rendered again and again while it is being written.
    return _cached(source, display) if len(source) <= _CACHED_LENGTH else _converted(source, display)


def _converted(source: str, display: bool) -> str | None:
    try:
        source = without_comments(source)
        if depth(source) > _DEPTH:
            return None
        rewriter = Rewriter()
        rewritten = rewriter.formula(source, display=display)
        if len(rewritten) > 1_000 + _GROWTH * len(source) or unclosed(rewritten) > _UNCLOSED:
            return None
        converted = _converter().convert_with_local_state(rewritten, displaystyle=display)
        return finished(converted, rewriter.colours.meanings, display=display)
    except (LatexError, Unconvertible, ValueError, RecursionError):
        return None


_cached = lru_cache(maxsize=500)(_converted)


@cache
def _converter() -> LatexToMathML:
    return LatexToMathML(
        macros=dict(MACROS), fancy_error=False, allow_unreliable_rendering=True, max_expansions=_EXPANSIONS
    )
