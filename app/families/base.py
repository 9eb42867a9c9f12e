"""What a model family is: how turns become a prompt, and which strings end a reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.messages import Turn


class Render(Protocol):
    """Turns → the exact prompt text."""

    def __call__(self, turns: Sequence[Turn]) -> str:
        """The prompt, ready for the reply to be appended."""


@dataclass(frozen=True, slots=True)
class Family:
    """One prompt format. ``render`` is ``None`` where the checkpoint's own chat template is used."""

    name: str
    title: str
    render: Render | None
    stop: tuple[str, ...] = ()
