"""Votes as columns of numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Votes:
    """One row per comparison with a preference or a tie, all of shape (n,). `left` is below `right`."""

    players: tuple[str, ...]  # by index, sorted
    raters: tuple[str, ...]
    left: Ints  # index of a player
    right: Ints
    result: Ints  # 1: left is better, -1: right is, 0: tie
    position: Ints  # 1: left was shown first, -1: right was, 0: not side by side
    left_length: Ints  # characters
    right_length: Ints
    rater: Ints  # index of a rater
    judgement: Ints  # the same number for the pairs of one judgement
    weight: Floats
    time: Floats  # seconds since 1970
    both_bad: Ints  # shape (players,): votes for neither
    copies: Ints  # shape (raters,): votes left out because they are copies

    def __len__(self) -> int:
        return len(self.left)

    def subset(self, rows: Flags | Ints) -> Votes:
        """The same players and raters with some of the rows."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def per_player(self, values: Floats | Flags) -> Floats:
        """The sum of a value of each row over the rows of each player."""
        return sums(self.left, values, len(self.players)) + sums(self.right, values, len(self.players))

    def per_pair(self, values: Floats | Flags) -> Floats:
        """The sum over the rows of each pair, shape (players, players): [left, right]."""
        size = len(self.players)
        return sums(self.left * size + self.right, values, size**2).reshape(size, size)


_COLUMNS = (
    *("left", "right", "result", "position", "left_length", "right_length"),
    *("rater", "judgement", "weight", "time"),
)


def sums(index: Ints, values: Floats | Flags, size: int) -> Floats:
    """The sum of the values with each index, shape (size,)."""
    return np.asarray(np.bincount(index, values, size), np.float64)
