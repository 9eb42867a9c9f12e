"""The judged replies of the store in memory, kept up to date: only blocks that have changed are read again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.domain.feedback import Decision, Verdict
from app.domain.judged_replies import Block
from app.feedback.judged_replies.columns import NAMED, Columns, Flags, Ints, Names, columns, joined
from app.store.repositories import Repositories


@dataclass(frozen=True, slots=True)
class Judged:
    """All judged replies at one time."""

    replies: Columns
    names: dict[str, tuple[str, ...]]  # by column: the text of each number
    withheld: Flags  # shape (n,): of conversations that do not count

    @property
    def counted(self) -> Flags:
        """Those that count: not withheld, and not excluded by a review."""
        return ~self.withheld & ~self.of("decision", Decision.EXCLUDED)

    @property
    def thumbs(self) -> Flags:
        """Those of ratings; the others are in rankings."""
        return self.of("kind", Verdict.UP) | self.of("kind", Verdict.DOWN)

    def of(self, column: str, text: str) -> Flags:
        """The rows whose `column` has this text."""
        known = self.names[column]
        return np.asarray(getattr(self.replies, column) == (known.index(text) if text in known else len(known)))


class Mirror:
    """Not for several threads at once."""

    def __init__(self) -> None:
        self._names = {column: Names() for column in NAMED}
        self._parts: dict[int, tuple[Block, Columns]] = {}

    def read(self, r: Repositories) -> Judged:
        """The judged replies as the store has them now."""
        parts = {}
        for place, block in r.judged_replies.blocks().items():
            known = self._parts.get(place)
            if known is None or known[0] != block:
                known = block, columns(r.judged_replies.in_block(place), self._names)
            parts[place] = known
        self._parts = parts
        replies = joined([columns([], self._names), *(part for _, part in parts.values())])
        withheld: Ints = np.array(r.judged_replies.withheld(), np.int64)
        names = {column: names.known() for column, names in self._names.items()}
        return Judged(replies, names, np.isin(replies.number, withheld))
