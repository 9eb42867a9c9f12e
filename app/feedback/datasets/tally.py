"""Counts of a build: what became of the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.domain.personal_data import Personal
from app.domain.training_rows import Drops, RowKind


@dataclass(slots=True)
class Tally:
    """Filled while the log is read."""

    read: int = 0  # conversations with judgements
    conversations: int = 0  # those that gave rows
    rows: Counter[RowKind] = field(default_factory=Counter)
    prompts: int = 0
    dropped: dict[RowKind, Drops] = field(default_factory=dict)
    filtered_judgements: Counter[str] = field(default_factory=Counter)  # by filter
    filtered_rows: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)  # rows by format
    unrepresentable: Counter[str] = field(default_factory=Counter)  # rows that a format can't express
    personal_data: Counter[Personal] = field(default_factory=Counter)
    newest_judgement_at: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """The counts for a manifest or a preview."""
        newest = self.newest_judgement_at
        return {
            "conversations_read": self.read,
            "conversations": self.conversations,
            "rows": {**{kind.value: self.rows[kind] for kind in RowKind if self.rows[kind]}, "prompt": self.prompts},
            "dropped": {
                kind.value: {reason.value: n for reason, n in sorted(drops.items())}
                for kind, drops in sorted(self.dropped.items())
                if drops
            },
            "filtered_judgements": dict(sorted(self.filtered_judgements.items())),
            "filtered_rows": dict(sorted(self.filtered_rows.items())),
            "unrepresentable": dict(sorted(self.unrepresentable.items())),
            "personal_data": {kind.value: n for kind, n in sorted(self.personal_data.items())},
            "newest_judgement_at": newest.isoformat() if newest else None,
        }
