"""How far raters agree: Krippendorff's alpha for nominal data.

K. Krippendorff, "Content Analysis", 4th edition (2018), chapter 12: α = 1 - observed disagreement / disagreement
expected by chance. 1 is perfect agreement, 0 is chance; units with one value say nothing. The library `krippendorff`
computes the same but is under the GPL, which this program is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement about units that several raters judged."""

    alpha: float | None  # None without such units, or if all raters always say the same one thing
    units: int
    judgements: int


def agreement(patterns: Iterable[tuple[Mapping[str, int], int]]) -> Agreement:
    """The agreement by patterns: how many raters of a unit chose each value, and how many units have this pattern."""
    units, observed, values = 0, 0.0, Counter[str]()
    for chosen, count in patterns:
        raters = sum(chosen.values())
        if raters < 2:
            continue
        units += count
        values.update({value: number * count for value, number in chosen.items()})
        observed += count * _unequal_pairs(chosen) / (raters - 1)
    judgements = values.total()
    expected = _unequal_pairs(values)
    alpha = 1 - (judgements - 1) * observed / expected if expected else None
    return Agreement(alpha, units, judgements)


def _unequal_pairs(chosen: Mapping[str, int]) -> int:
    """How many ordered pairs of judgements have different values."""
    return sum(chosen.values()) ** 2 - sum(number**2 for number in chosen.values())
