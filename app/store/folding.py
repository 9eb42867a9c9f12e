"""Unicode normalization of texts for search, in time that grows with their length only."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

# Combining characters are sorted within each run of them, which takes time that grows with the square of its length:
# 16 s for 100,000. No language needs runs of more than 30 (UAX #15, Stream-Safe Text Format). A text with longer ones
# is normalized in parts. Combining characters are no word characters.
_LONG_RUN = re.compile(r"[^\w\s\x00-\x7f]{31}")
_PART_CHARS = 64


def normalized(form: Literal["NFC", "NFD", "NFKC"], text: str) -> str:
    """`text` in a normalization form."""
    if text.isascii():
        return text
    if not _LONG_RUN.search(text):
        return unicodedata.normalize(form, text)
    parts = (text[start : start + _PART_CHARS] for start in range(0, len(text), _PART_CHARS))
    return "".join(unicodedata.normalize(form, part) for part in parts)


def fold(text: str) -> str:
    """Normalize the width and case of letters, and leave out accents: ``Café`` becomes ``cafe``.

    Marks that make another letter stay: those of Indian and South-East Asian scripts, and the Japanese voicing marks.
    """
    folded = normalized("NFKC", text).casefold()
    return folded if folded.isascii() else _ACCENTED.sub(_without_accents, folded)


# Combining accents (Latin, Greek, Cyrillic), Hebrew points, Arabic vowel signs and the mark that stretches words.
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"
)
_ACCENTED = re.compile(f"[{_MARKS}\u00c0-\u024f\u0370-\u04ff\u0622-\u0626\u1e00-\u1fff]+")
_ANY_MARK = re.compile(f"[{_MARKS}]")


def _without_accents(found: re.Match[str]) -> str:
    return _ANY_MARK.sub("", normalized("NFD", found[0]))
