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


def normalized(form: Literal["NFC", "NFKC"], text: str) -> str:
    """`text` in a normalization form."""
    if text.isascii():
        return text
    if not _LONG_RUN.search(text):
        return unicodedata.normalize(form, text)
    parts = (text[start : start + _PART_CHARS] for start in range(0, len(text), _PART_CHARS))
    return "".join(unicodedata.normalize(form, part) for part in parts)


def fold(text: str) -> str:
    """Normalize the width and case of letters."""
    return normalized("NFKC", text).casefold()
