"""Search snippets: the part of a text around its first match, with the ranges of the matches."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.store.folding import fold, normalized

BEFORE_CHARS = 30
SNIPPET_CHARS = 120
SEARCHED_CHARS = 100_000  # of a text; later matches are not shown
FIRST_CHARS = 1_000  # most matches are in the beginning: it is looked at first
_WINDOW_CHARS = 2_000  # searched at once …
_OVERLAP_CHARS = 500  # … with these, as matches may lie across
_FOLDED_CHARS = 2 * SEARCHED_CHARS  # as folding can make a text many times as long


@dataclass(frozen=True, slots=True)
class Snippet:
    """A part of a text on one line; `ranges` are the [start, end) offsets of its matches, in code points."""

    text: str
    ranges: tuple[tuple[int, int], ...] = ()


class Wanted:
    """What snippets show: matches of `patterns` in folded text, each of which begins with one of `beginnings`."""

    def __init__(self, patterns: Sequence[str], beginnings: Sequence[str]) -> None:
        self._pattern = re.compile("|".join(f"(?:{p})" for p in patterns))
        self._beginnings = beginnings

    def spans(self, folded: str) -> Iterator[tuple[int, int]]:
        """The [start, end) offsets of all matches."""
        if any(beginning in folded for beginning in self._beginnings):  # ten times as fast as the pattern
            yield from (match.span() for match in self._pattern.finditer(folded))


def snippet(text: str, wanted: Wanted, searched_chars: int = SEARCHED_CHARS) -> Snippet:
    """About 120 characters of `text` around the first match; only the first `searched_chars` are searched."""
    line = _line(text[:FIRST_CHARS])
    matches = _matches(line, wanted)
    whole = min(len(text), searched_chars)
    if whole > FIRST_CHARS and (not matches or matches[0][0] > len(line) - SNIPPET_CHARS):
        line = _line(text[:whole])
        matches = _matches(line, wanted)
    start = _start(line, matches[0][0]) if matches else 0
    end = min(len(line), start + SNIPPET_CHARS)
    head, tail = "…" if start else "", "…" if end < len(line) else ""
    shift = len(head) - start
    ranges = tuple((a + shift, min(b, end) + shift) for a, b in matches if a < end)
    return Snippet(f"{head}{line[start:end]}{tail}", ranges)


def _line(text: str) -> str:
    return " ".join(normalized("NFC", text).split())


def _start(line: str, match: int) -> int:
    """A position shortly before the match, at the beginning of a word if possible."""
    earliest = max(0, match - BEFORE_CHARS)
    return line.find(" ", earliest, match) + 1 if earliest and " " in line[earliest:match] else earliest


def _matches(line: str, wanted: Wanted) -> list[tuple[int, int]]:
    """The matches in `line` that can be in one snippet with the first."""
    left_chars = _FOLDED_CHARS
    for start in range(0, len(line), _WINDOW_CHARS):
        window = line[start : start + _WINDOW_CHARS + _OVERLAP_CHARS]
        folded = fold(window)
        left_chars -= len(folded)
        if any(wanted.spans(folded)):
            spans = _spans(window, folded, wanted)
            # The first character is the one before the others, in which the window before has searched.
            found = [(start + a, start + b) for a, b in spans if a > 0 or start == 0]
            if found:
                return [span for span in found if span[0] - found[0][0] <= 2 * SNIPPET_CHARS]
        if left_chars < 0:
            break
    return []


def _spans(window: str, folded: str, wanted: Wanted) -> Iterator[tuple[int, int]]:
    """All matches, as offsets in `window`. Folding changes lengths (ß, ﬁ, accents), so they are mapped back."""
    if len(folded) == len(window):
        yield from wanted.spans(folded)
        return
    parts = [fold(ch) for ch in window]
    starts: list[int] = []  # offsets in the folded text of each character of `window`
    length = 0
    for part in parts:
        starts.append(length)
        length += len(part)
    for a, b in wanted.spans("".join(parts)):
        end = bisect_right(starts, b - 1)
        while end < len(parts) and not parts[end]:  # marks of the last character
            end += 1
        yield bisect_right(starts, a) - 1, end
