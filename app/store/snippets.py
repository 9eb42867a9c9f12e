"""Search snippets: the part of a text around its first match, with the ranges of the matches."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BEFORE_CHARS = 30
SNIPPET_CHARS = 120
SEARCHED_CHARS = 100_000  # of a text; later matches are not shown


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a text on one line; `ranges` are the [start, end) offsets of its matches, in code points."""

    text: str
    ranges: tuple[tuple[int, int], ...] = ()


def snippet(text: str, patterns: Sequence[str], fold: Callable[[str], str]) -> Snippet:
    """About 120 characters of `text` around the first match of any of `patterns`, which match folded text."""
    line = " ".join(unicodedata.normalize("NFC", text[:SEARCHED_CHARS]).split())
    wanted = re.compile("|".join(f"(?:{p})" for p in patterns))
    matches = _matches(line, wanted, fold)
    start = _start(line, matches[0][0]) if matches else 0
    end = min(len(line), start + SNIPPET_CHARS)
    head, tail = "…" if start else "", "…" if end < len(line) else ""
    shift = len(head) - start
    ranges = tuple((a + shift, min(b, end) + shift) for a, b in matches if a < end)
    return Snippet(f"{head}{line[start:end]}{tail}", ranges)


def _start(line: str, match: int) -> int:
    """A position shortly before the match, at the beginning of a word if possible."""
    earliest = max(0, match - BEFORE_CHARS)
    return line.find(" ", earliest, match) + 1 if earliest and " " in line[earliest:match] else earliest


def _matches(line: str, wanted: re.Pattern[str], fold: Callable[[str], str]) -> list[tuple[int, int]]:
    """The matches in `line`. Folding can make a text longer (ß, ﬁ), so offsets are mapped back."""
    folded = fold(line)
    if len(folded) == len(line):
        return _spans(folded, wanted)
    starts: list[int] = []  # offsets in the folded text of each character of `line`
    length = 0
    for ch in line:
        starts.append(length)
        length += len(fold(ch))
    folded = "".join(fold(ch) for ch in line)
    return [(bisect_right(starts, a) - 1, bisect_right(starts, b - 1)) for a, b in _spans(folded, wanted)]


def _spans(folded: str, wanted: re.Pattern[str]) -> list[tuple[int, int]]:
    """The matches that can be in one snippet with the first."""
    spans: list[tuple[int, int]] = []
    for match in wanted.finditer(folded):
        spans.append(match.span())
        if match.start() - spans[0][0] > 2 * SNIPPET_CHARS:
            break
    return spans
