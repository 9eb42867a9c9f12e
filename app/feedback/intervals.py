"""Shares with intervals that say how far to trust them."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z = 1.959964  # standard normal quantile of 97.5 %


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `of`, with the 95 % score interval of E. B. Wilson (JASA 22, 1927); of nothing, 0 … 1."""

    count: int
    of: int

    @property
    def value(self) -> float | None:
        """The share; ``None`` of nothing."""
        return self.count / self.of if self.of else None

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return max(0.0, self._centre - self._half) if self.of else 0.0

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return min(1.0, self._centre + self._half) if self.of else 1.0

    @property
    def _centre(self) -> float:
        return (self.count + Z**2 / 2) / (self.of + Z**2)

    @property
    def _half(self) -> float:
        share = self.count / self.of
        return Z / (1 + Z**2 / self.of) * math.sqrt(share * (1 - share) / self.of + Z**2 / (4 * self.of**2))
