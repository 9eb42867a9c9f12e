"""How far ratings can be off: covariances, intervals, and the critical value for all pairs at once.

Up to three covariances are computed, and each difference gets the largest of their variances:

- from the curvature of the likelihood: right if votes are independent, and the only one that is right for players who
  won or lost nearly everything, whose residuals are tiny;
- clustered by judgement (a sandwich): the pairs of one ranking depend on each other;
- clustered by rater: people have tastes, and one person's votes lean the same way. A sum over a handful of raters would
  say nothing (with one rater it is exactly 0), so this needs :data:`MIN_RATERS`. With fewer, the result holds for these
  raters, not for people like them, and the board says so (``clustered_by``).

The largest, because the sandwich is too small in small samples, and a late verdict costs less than a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from app.feedback.leaderboard import davidson
from app.feedback.leaderboard.davidson import Design
from app.feedback.leaderboard.result import ClusteredBy
from app.feedback.leaderboard.votes import Floats, Ints, sums

LEVEL = 0.95
POINTWISE = NormalDist().inv_cdf((1 + LEVEL) / 2)
MIN_RATERS = 10.0  # effective number: (Σ votes)² / Σ votes²
_CLUSTERS = 8_192  # whose scores are in memory at a time
_DRAWS, _CELLS = 10_000, 40_000_000  # of the simulated critical value; at most so many differences


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """Covariances of the parameters, shape (size, size) each; the first one comes from the curvature."""

    covariances: tuple[Floats, ...]
    clustered_by: ClusteredBy

    def variance(self, contrast: Floats) -> Floats:
        """The variance of each row of `contrast`, shape (rows, size): the largest one."""
        return np.asarray(np.max([((contrast @ v) * contrast).sum(axis=1) for v in self.covariances], axis=0))

    def of_differences(self, members: Ints) -> Floats:
        """Standard errors of all differences between some players, shape (members, members)."""
        blocks = [v[np.ix_(members, members)] for v in self.covariances]
        variances = [np.diag(b)[:, None] + np.diag(b)[None, :] - 2 * b for b in blocks]
        return np.asarray(np.sqrt(np.maximum(np.max(variances, axis=0), 0.0)))


def uncertainty(model: Design, parameters: Floats) -> Uncertainty:
    """The covariances at the fitted parameters."""
    chances = davidson.probabilities(model, parameters)
    curvature = np.asarray(np.linalg.inv(davidson.information(model, chances)), np.float64)
    residuals = davidson.residuals(model, chances)
    votes = model.votes
    by_judgement = _sandwich(model, curvature, residuals, votes.judgement)
    shares = sums(votes.rater, votes.weight, len(votes.raters))
    enough = len(votes) > 0 and shares.sum() ** 2 / (shares**2).sum() >= MIN_RATERS
    if not enough:
        return Uncertainty((curvature, by_judgement), ClusteredBy.JUDGEMENT)
    by_rater = _sandwich(model, curvature, residuals, votes.rater) * _student(int(np.count_nonzero(shares)) - 1) ** 2
    return Uncertainty((curvature, by_judgement, by_rater), ClusteredBy.RATER)


def _sandwich(model: Design, bread: Floats, residuals: tuple[Floats, Floats], cluster: Ints) -> Floats:
    """bread · Σ (sum of scores of a cluster)(…)ᵀ · bread, times G / (G - 1)."""
    total, clusters = np.zeros_like(bread), 0
    for scores in _cluster_scores(model, residuals, cluster):
        total += scores.T @ scores
        clusters += len(scores)
    return bread @ total @ bread * (clusters / max(clusters - 1, 1))


def _cluster_scores(model: Design, residuals: tuple[Floats, Floats], cluster: Ints) -> Iterator[Floats]:
    """The summed scores of each cluster, in blocks of shape (clusters, size), so that memory stays bounded."""
    order = np.argsort(cluster, kind="stable")
    _, number = np.unique(cluster[order], return_inverse=True)
    of_difference, of_tie = residuals[0][order], residuals[1][order]
    left, right, x = model.votes.left[order], model.votes.right[order], model.x[:, order]
    for first in range(0, int(number[-1]) + 1 if len(number) else 0, _CLUSTERS):
        rows = slice(*np.searchsorted(number, [first, first + _CLUSTERS]))
        here = number[rows] - first
        count, size = int(here[-1]) + 1, model.size
        columns = [left[rows], right[rows], np.full(len(here), model.players)]
        values = [of_difference[rows], -of_difference[rows], of_tie[rows]]
        for parameter, column in enumerate(x[:, rows], start=model.players + 1):
            columns.append(np.full(len(here), parameter))
            values.append(of_difference[rows] * column)
        cells = np.concatenate([here * size + column for column in columns])
        yield sums(cells, np.concatenate(values), count * size).reshape(count, size)


def _student(freedom: int) -> float:
    """The quantile of Student's t over the normal one (Cornish and Fisher's expansion; within 0.1 % from 10 on)."""
    z = POINTWISE
    first, second = (z**2 + 1) / 4, (5 * z**4 + 16 * z**2 + 3) / 96
    return 1 + first / freedom + second / freedom**2


def simultaneous(covariance: Floats) -> float:
    """How many standard errors all pairs of these players stay within, with 95 % probability.

    Ranks are read off the data, so neighbours are not known beforehand and the family is all pairs (Tukey's method,
    for any covariance). The quantile is simulated with a fixed seed; its own error is about one percent.
    """
    count = len(covariance)
    if count < 2:
        return POINTWISE
    draws = max(1_000, min(_DRAWS, _CELLS // count**2))
    values, vectors = np.linalg.eigh(covariance)
    sample = (vectors * np.sqrt(np.maximum(values, 0.0))) @ np.random.default_rng(0).standard_normal((count, draws))
    spread = np.sqrt(np.diag(covariance)[:, None] + np.diag(covariance)[None, :] - 2 * covariance)
    largest = np.zeros(draws)
    for one in range(count - 1):
        ratios = np.abs(sample[one + 1 :] - sample[one]) / spread[one, one + 1 :, None]
        np.maximum(largest, ratios.max(axis=0), out=largest)
    return float(np.quantile(largest, LEVEL))
