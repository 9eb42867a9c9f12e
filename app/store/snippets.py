"""Search snippets: the piece of a text around its first match, and where it matched."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BEFORE_CHARS = 30
SNIPPET_CHARS = 120
LOOK_CHARS = 100_000  # matches further back are not shown


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of text on one line; `ranges` are [start, end) offsets in code points of what matched."""

    text: str
    ranges: tuple[tuple[int, int], ...] = ()


def snippet(text: str, patterns: Sequence[str], fold: Callable[[str], str]) -> Snippet:
    """About 120 characters of `text` around the first match of any of `patterns`, which read folded text."""
    line = " ".join(unicodedata.normalize("NFC", text[:LOOK_CHARS]).split())
    wanted = re.compile("|".join(f"(?:{p})" for p in patterns))
    matches = _matches(line, wanted, fold)
    start = _start(line, matches[0][0]) if matches else 0
    end = min(len(line), start + SNIPPET_CHARS)
    head, tail = "…" if start else "", "…" if end < len(line) else ""
    shift = len(head) - start
    ranges = tuple((a + shift, min(b, end) + shift) for a, b in matches if a < end)
    return Snippet(f"{head}{line[start:end]}{tail}", ranges)


def _start(line: str, match: int) -> int:
    """A little before the match, at the beginning of a word where there are words."""
    earliest = max(0, match - BEFORE_CHARS)
    return line.find(" ", earliest, match) + 1 if earliest and " " in line[earliest:match] else earliest


def _matches(line: str, wanted: re.Pattern[str], fold: Callable[[str], str]) -> list[tuple[int, int]]:
    """Where `line` matches. Folding can make a text longer (ß, ﬁ), so offsets are led back to it."""
    folded = fold(line)
    if len(folded) == len(line):
        return _spans(folded, wanted)
    starts: list[int] = []  # of each character of `line`, in the folded text
    length = 0
    for ch in line:
        starts.append(length)
        length += len(fold(ch))
    folded = "".join(fold(ch) for ch in line)
    return [(bisect_right(starts, a) - 1, bisect_right(starts, b - 1)) for a, b in _spans(folded, wanted)]


def _spans(folded: str, wanted: re.Pattern[str]) -> list[tuple[int, int]]:
    """The first matches, from the first one on as far as a snippet can reach."""
    spans: list[tuple[int, int]] = []
    for match in wanted.finditer(folded):
        spans.append(match.span())
        if match.start() - spans[0][0] > 2 * SNIPPET_CHARS:
            break
    return spans
