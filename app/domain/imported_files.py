"""Files of training data that were imported: each of their rows is a conversation that no list of chats shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """Files of the same name are one: `name` is what all of them were called, or ""."""

    name: str
    rows: int
