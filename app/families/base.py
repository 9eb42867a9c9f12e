"""The definition of a model family: prompt format, stop strings and clean-up of replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.messages import Turn


class Render(Protocol):
    """Renders turns to the exact prompt text."""

    def __call__(self, turns: Sequence[Turn]) -> str:
        """The prompt, ready for the reply to be appended."""


class Cleaner(Protocol):
    """Cleans up one streamed reply: its outputs, joined, are the cleaned text of its inputs, joined."""

    def push(self, text: str) -> str:
        """Add ``text``; returns the cleaned text that is final."""

    def flush(self) -> str:
        """Return the remaining text at the end of the reply."""


@dataclass(frozen=True, slots=True)
class Family:
    """One prompt format. ``render`` is ``None`` where the checkpoint's own chat template is used.

    ``cleaner`` creates a cleaner for one reply; ``None`` where replies need no clean-up.
    """

    name: str
    title: str
    render: Render | None
    stop: tuple[str, ...] = ()
    cleaner: Callable[[], Cleaner] | None = None
