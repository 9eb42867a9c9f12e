from __future__ import annotations

import pytest

from app.domain.titles import file_name, title_from


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("What is LoRA?", "What is LoRA?"),
        ("  two\n\nlines ", "two lines"),
        ("word " * 30, "word word word word word word word word word…"),
        ("汉" * 30, "汉" * 24 + "…"),
        ("x" * 60, "x" * 48 + "…"),
        ("", ""),
        ("```python\nprint('hi')\n```", "print('hi')"),
        ("Why?\n~~~sh\nls\n~~~\n", "Why? ls"),
        ("```", "```"),
        ("```inline``` is code", "```inline``` is code"),
        ("## Plan\n\n> quoted\n\n#hashtag", "Plan quoted #hashtag"),
        ("\u200b\u2060", ""),
        ("\ufeffHi\u202egnp.exe\x07", "Hignp.exe"),
        ("👩\u200d👩\u200d👧 family", "👩\u200d👩\u200d👧 family"),
        ("👩\u200d" * 30, "👩\u200d" * 15 + "👩…"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_a_title_is_the_beginning_of_the_question(text: str, title: str) -> None:
    assert title_from(text) == title


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("हिन्दी में", "हिन्दी में"),
        ("ภาษาไทยที่", "ภาษาไทยที่"),
        ("Cafe\u0301", "Café"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("../a:b*c?.md", "abcmd"),
        ("❤\ufe0f 1\ufe0f\u20e3 👩\u200d👧", "1"),
        ("x" * 80, "x" * 60),
        ("\u202egnp", "gnp"),
        ("？！", "chat"),
        ("", "chat"),
    ],
)
def test_a_title_as_the_name_of_a_file(title: str, name: str) -> None:
    assert file_name(title, "chat") == name
