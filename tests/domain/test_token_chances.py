"""Which tokens belong to the first or the last part of a reply."""

from __future__ import annotations

import pytest

from app.domain.generation import TokenChance
from app.domain.token_chances import first_of, last_of

TOKENS = [TokenChance(text.encode(), -1.0) for text in ("Hi", " é", "!", " 🦜")]


@pytest.mark.parametrize(("text", "count"), [("", 0), ("Hi", 1), ("Hi é", 2), ("Hi é!", 3), ("H", 1), ("Hi ", 2)])
def test_the_first(text: str, count: int) -> None:
    assert list(first_of(TOKENS, text)) == TOKENS[:count]


@pytest.mark.parametrize(("text", "count"), [("", 0), (" 🦜", 1), ("🦜", 1), ("! 🦜", 2), ("é! 🦜", 3), ("x" * 99, 4)])
def test_the_last(text: str, count: int) -> None:
    assert list(last_of(TOKENS, text)) == TOKENS[len(TOKENS) - count :]
