"""What a model family is: how turns become a prompt, which strings end a reply, and how a reply is cleaned up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.messages import Turn


class Render(Protocol):
    """Turns → the exact prompt text."""

    def __call__(self, turns: Sequence[Turn]) -> str:
        """The prompt, ready for the reply to be appended."""


class Cleaner(Protocol):
    """Cleans one reply up while it comes. All that it gives, joined, is the clean text of all that it was given."""

    def push(self, text: str) -> str:
        """What is safe to show now that ``text`` has come."""

    def flush(self) -> str:
        """The rest, when the reply has ended."""


@dataclass(frozen=True, slots=True)
class Family:
    """One prompt format. ``render`` is ``None`` where the checkpoint's own chat template is used.

    ``cleaner`` makes an object for one reply; ``None`` where replies are shown as they come.
    """

    name: str
    title: str
    render: Render | None
    stop: tuple[str, ...] = ()
    cleaner: Callable[[], Cleaner] | None = None
