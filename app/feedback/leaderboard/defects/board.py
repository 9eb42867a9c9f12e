"""What the checks look at, and the thresholds they share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from app.feedback.leaderboard.fitted import Fitted
from app.feedback.leaderboard.result import Counts
from app.feedback.leaderboard.votes import Ints, Votes

FALSE_ALARM = 0.001  # probability per check and board


@dataclass(frozen=True, slots=True)
class Board:
    """The model with all covariates, and the connected groups of players."""

    fitted: Fitted
    groups: list[Ints]
    counts: Counts

    @property
    def votes(self) -> Votes:
        """The votes that count."""
        return self.fitted.model.votes


def critical(tests: int) -> float:
    """The two-sided normal threshold for the largest of so many test statistics."""
    return NormalDist().inv_cdf(1 - FALSE_ALARM / (2 * max(tests, 1)))


def chi_squared_tail(value: float, freedom: int) -> float:
    """The probability of a larger value (E. B. Wilson and M. M. Hilferty's cube root, PNAS 17, 1931)."""
    shrink = 2 / (9 * freedom)
    return 1 - NormalDist().cdf(((value / freedom) ** (1 / 3) - (1 - shrink)) / math.sqrt(shrink))


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.0f} %"
