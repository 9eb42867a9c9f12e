"""The parts in which a conversation is stored: each takes a few hundredths of a second, as long as others may wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

SLICE_MESSAGES = 100
SLICE_CHARS = 50_000


class _HasContent(Protocol):
    @property
    def content(self) -> str: ...


M = TypeVar("M", bound=_HasContent)


def slices(messages: Sequence[M]) -> Iterator[Sequence[M]]:
    """`messages` in parts, each within the limits or a single message."""
    start = chars = 0
    for at, message in enumerate(messages):
        chars += len(message.content)
        if at > start and (at - start == SLICE_MESSAGES or chars > SLICE_CHARS):
            yield messages[start:at]
            start, chars = at, len(message.content)
    yield messages[start:]
