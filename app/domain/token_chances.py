"""Which of a reply's tokens belong to a part of its text, for the probabilities that programs ask for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from app.domain.generation import TokenChance


def first_of(chances: Sequence[TokenChance], text: str) -> tuple[TokenChance, ...]:
    """The first of `chances`, as many as `text` takes: the rest is a stop string, or not yet shown."""
    return tuple(_covering(chances, len(text.encode())))


def last_of(chances: Sequence[TokenChance], text: str) -> tuple[TokenChance, ...]:
    """The last of `chances`, as many as `text` takes: those before are of the reasoning and its tags."""
    return tuple(_covering(chances[::-1], len(text.encode())))[::-1]


def _covering(chances: Iterable[TokenChance], size: int) -> Iterable[TokenChance]:
    """`chances` until they have `size` bytes; a token that is in part within them counts."""
    left = size

    def is_needed(chance: TokenChance) -> bool:
        nonlocal left
        before, left = left, left - len(chance.text)
        return before > 0

    return takewhile(is_needed, chances)
