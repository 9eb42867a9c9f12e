"""Titles of conversations: made from a question, and as names of files."""

from __future__ import annotations

import re
import unicodedata

MAX_FILE_NAME_CHARS = 60
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n`]*$", re.MULTILINE)
_MARKER = re.compile(r"^[ \t]*(?:#{1,6}|>)[ \t]+", re.MULTILINE)
_JOINERS = "\u200c\u200d"  # inside words of Persian and Indic scripts, and inside emoji


def title_from(text: str, limit: int = 48) -> str:
    """A title from the first words of a question; a wide (CJK) character counts as two.

    Fences, heading and quotation marks are left out, and so are characters that can't be seen or turn the direction
    of what follows.
    """
    bare = _MARKER.sub("", _FENCE.sub("", text))
    line = _visible(bare) or _visible(text)
    width = 0
    for i, ch in enumerate(line):
        width += 2 if ord(ch) > 0x2E7F else 1
        if width > limit:
            cut = line[:i].rsplit(" ", 1)[0] if " " in line[i // 2 : i] else line[:i]
            return cut.rstrip(" ,.;:，。；：" + _JOINERS) + "…"
    return line


def file_name(title: str, default: str) -> str:
    """`title` as the name of a file without its ending: letters of any script, digits, spaces, ``-`` and ``_``.

    The marks that belong to letters are kept: without them, words of Hindi, Thai or Arabic are other words.
    """
    kept: list[str] = []
    for ch in unicodedata.normalize("NFC", title):
        kind = unicodedata.category(ch)[0]
        if kind == "M" or ch in _JOINERS:
            if kept and unicodedata.category(kept[-1])[0] in "LM":  # else part of an emoji
                kept.append(ch)
        elif kind in "LN" or ch in "-_ ":
            kept.append(ch)
    return "".join(kept).strip()[:MAX_FILE_NAME_CHARS].strip(" " + _JOINERS) or default


def _visible(text: str) -> str:
    """`text` in one line, without control and format characters; empty if there is nothing to see."""
    line = " ".join("".join(ch for ch in text if ch.isspace() or ch in _JOINERS or not _is_hidden(ch)).split())
    return line if line.strip(_JOINERS) else ""


def _is_hidden(ch: str) -> bool:
    return unicodedata.category(ch) in ("Cc", "Cf")
