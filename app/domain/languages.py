"""Which language a text is written in, told by its script: enough to filter, not to translate."""

from __future__ import annotations

import re

# Japanese and Korean before Chinese: Japanese uses Chinese characters, too.
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("en", re.compile(r"[A-Za-z\u00c0-\u024f]")),
)
LANGUAGES = tuple(name for name, _ in _SCRIPTS)
_READ_CHARS = 2_000
_LETTERS_PER_WORD = 5  # of a script with letters; a Chinese character says about as much as a word
_SYLLABIC = ("ja", "ko", "zh")
_KANA_SHARE = 0.1  # of Japanese text; less is a Japanese name or word in a Chinese one


def language_of(text: str) -> str:
    """The code of the prevailing language of the first 2,000 characters; "" if there are no letters.

    Scripts are told apart, not the languages of one script: ``en`` is every text in Latin letters, ``ru`` every one in
    Cyrillic ones.
    """
    read = text[:_READ_CHARS]
    found = {name: len(script.findall(read)) for name, script in _SCRIPTS}
    if found["ja"] > _KANA_SHARE * (found["ja"] + found["zh"]):
        found["ja"] += found["zh"]
        found["zh"] = 0
    words = {name: n if name in _SYLLABIC else n / _LETTERS_PER_WORD for name, n in found.items()}
    best = max(words, key=lambda name: words[name])
    return best if words[best] else ""
