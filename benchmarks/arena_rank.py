"""The method that LMArena publishes as `arena-rank`, written from its description, to compare our order with.

Logistic Bradley–Terry with a style feature: a tie and "both bad" are half a win; the feature is the difference of the
lengths over their sum, standardized; each pair of models weighs the same from 50 votes on; a ridge on the feature's
coefficient, which leaves much of its effect in the ratings; intervals from the sandwich of Hessian and scores; ratings
are 1000 + 400 / ln 10 per unit of log-odds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.feedback.leaderboard.comparison import Comparison, Outcome

_VALUES = {Outcome.LEFT: 1.0, Outcome.RIGHT: 0.0, Outcome.TIE: 0.5, Outcome.BOTH_BAD: 0.5}
_LEAST_PER_PAIR = 50
RIDGE = 1.0  # of the coefficient, in the mean likelihood: the published default
_TINY = 1e-5  # of the Hessian


@dataclass(frozen=True, slots=True)
class ArenaRating:
    """A player's rating with its 95 % interval."""

    player: str
    rating: float
    low: float
    high: float


def rate(votes: Sequence[Comparison], ridge: float = RIDGE) -> list[ArenaRating]:
    """Rate the players, best first."""
    names = sorted({name for vote in votes for name in (vote.left, vote.right)})
    number = {name: place for place, name in enumerate(names)}
    left = np.array([number[vote.left] for vote in votes])
    right = np.array([number[vote.right] for vote in votes])
    wins = np.array([_VALUES[vote.outcome] for vote in votes])
    lengths = np.array([(vote.left_length, vote.right_length) for vote in votes], float)
    feature = (lengths[:, 0] - lengths[:, 1]) / np.maximum(lengths.sum(axis=1), 1)
    feature = (feature - feature.mean()) / (feature.std() or 1.0)
    x = np.zeros((len(votes), len(names) + 1))
    x[np.arange(len(votes)), left], x[np.arange(len(votes)), right], x[:, -1] = 1.0, -1.0, feature
    parameters, covariance = _fit(x, wins, _weights(left, right, len(names)), ridge)
    scale = 400 / math.log(10)
    margins = 1.96 * np.sqrt(np.diag(covariance))
    rated = [
        ArenaRating(name, *(1000 + scale * float(parameters[place] + side * margins[place]) for side in (0, -1, 1)))
        for name, place in number.items()
    ]
    return sorted(rated, key=lambda one: -one.rating)


def _weights(left: NDArray[np.int64], right: NDArray[np.int64], players: int) -> NDArray[np.float64]:
    pair = np.minimum(left, right) * players + np.maximum(left, right)
    weights = 1 / np.maximum(np.bincount(pair)[pair], _LEAST_PER_PAIR)
    return np.asarray(weights / weights.mean())


def _fit(
    x: NDArray[np.float64], wins: NDArray[np.float64], weights: NDArray[np.float64], ridge: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The parameters and their covariance, by Newton's method on the mean likelihood."""
    votes, size = x.shape
    penalty = np.diag([0.0] * (size - 1) + [ridge])
    parameters = np.zeros(size)
    for _ in range(30):
        chance = 1 / (1 + np.exp(-x @ parameters))
        hessian = (x * (weights * chance * (1 - chance))[:, None]).T @ x / votes
        gradient = x.T @ (weights * (wins - chance)) / votes - penalty @ parameters
        parameters = parameters + np.linalg.solve(hessian + penalty + _TINY * np.eye(size), gradient)
    bread = np.linalg.inv(hessian + _TINY * np.eye(size))
    scores = x * (weights * (wins - chance))[:, None]
    filling = scores.T @ scores / votes - np.outer(penalty @ parameters, penalty @ parameters)
    return parameters, bread @ filling @ bread / votes
