"""One rater who gives so many votes that the board shows their opinion instead of everybody's.

The model is fitted without the rater and asked how likely the rater's votes are if they judge like the others (a score
test). People differ in taste, which alone is no defect: how much the others differ from each other is estimated, as the
variance τ² of what each of them adds to each player's strength, and the rater has to differ by clearly more.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.feedback.leaderboard import davidson
from app.feedback.leaderboard.davidson import Design
from app.feedback.leaderboard.defects.board import FALSE_ALARM, Board, chi_squared_tail, percent
from app.feedback.leaderboard.result import Defect, Finding
from app.feedback.leaderboard.uncertainty import simultaneous
from app.feedback.leaderboard.votes import Flags, Floats, Ints, sums

_LARGE, _TIMES_MEDIAN = 0.1, 3.0  # share of the votes, and how much more than the median rater
_MAJORITY, _OTHERS = 0.5, 5  # share that decides alone, and how many others make that remarkable
_MIN_VOTES = 50  # of the rater, and of the others
_SUSPECTS, _COMPARED = 5, 30  # raters that are looked at, and others whose tastes are: those with most votes


def check(board: Board) -> Iterator[Finding]:
    """Compare the board with and without each rater who gives a large share of the votes."""
    votes = board.votes
    share = sums(votes.rater, votes.weight, len(votes.raters)) / max(votes.weight.sum(), 1.0)
    raters = np.flatnonzero(share)
    large = (share >= _LARGE) & (share >= _TIMES_MEDIAN * np.median(share[raters])) if len(raters) > 1 else share > 1
    by_share = np.lexsort((np.arange(len(share)), -share))
    suspects = by_share[large[by_share]][:_SUSPECTS]
    for suspect in suspects:
        own = votes.rater == suspect
        if min(own.sum(), (~own).sum()) < _MIN_VOTES:
            continue
        without = _Without(board, own)
        lost, gained, kept = without.verdicts()
        others = by_share[by_share != suspect][:_COMPARED]
        disagrees = without.chance_of_disagreement(others) < FALSE_ALARM / len(suspects) and lost + gained > 0
        decides = share[suspect] >= _MAJORITY and len(raters) > _OTHERS and lost > 0
        if disagrees or decides:
            figures = {"share": float(share[suspect]), "votes": float(own.sum()), "disagrees": float(disagrees)}
            yield _finding(votes.raters[suspect], figures | {"lost": lost, "gained": gained, "kept": kept})


class _Without:
    """The board without one rater's votes."""

    def __init__(self, board: Board, own: Flags) -> None:
        self._board = board
        self._own = board.fitted.model.subset(own)
        self._others = board.fitted.model.subset(~own)
        self._parameters = davidson.fit(self._others, start=board.fitted.parameters)
        chances = davidson.probabilities(self._others, self._parameters)
        self._covariance: Floats = np.linalg.inv(davidson.information(self._others, chances)).astype(np.float64)

    def chance_of_disagreement(self, others: Ints) -> float:
        """How likely the rater is to differ so much from the others if all are alike, up to taste."""
        score, slope, noise = self._score(self._own)
        players = self._own.players
        covariance = noise + slope @ self._covariance @ slope.T
        covariance += self._taste(others) * slope[:, :players] @ slope[:, :players].T
        values, vectors = np.linalg.eigh(covariance)
        kept = values > 1e-9 * max(values[-1], 1.0)
        value = float(((vectors[:, kept].T @ score) ** 2 / values[kept]).sum())
        return chi_squared_tail(value, int(kept.sum()))

    def _taste(self, raters: Ints) -> float:
        """τ², by the method of moments: the squared scores of each rater beyond those of chance."""
        beyond = scale = 0.0
        for rater in raters:
            score, slope, noise = self._score(self._others.subset(self._others.votes.rater == rater))
            beyond += float(score @ score - np.trace(noise))
            scale += float((slope[:, : len(score)] ** 2).sum())
        return max(beyond, 0.0) / scale if scale else 0.0

    def _score(self, own: Design) -> tuple[Floats, Floats, Floats]:
        """Some votes' scores for each player, their derivative by all parameters, and their variance by chance."""
        chances, players = davidson.probabilities(own, self._parameters), own.players
        weight, tie = own.votes.weight, chances.tie

        def moments(scale: Floats) -> Floats:
            mixed = -scale * chances.expected * tie
            return davidson.quadratic_form(own, scale * chances.variance, mixed, scale * tie * (1 - tie))[:players]

        score = davidson.score_sum(own, *davidson.residuals(own, chances))[:players]
        return score, moments(weight), moments(weight**2)[:, :players]

    def verdicts(self) -> tuple[int, int, int]:
        """How many pairs of players are told apart only with this rater, only without, and either way."""
        lost = gained = kept = 0
        fitted = self._board.fitted
        for members in self._board.groups:
            pair = np.ix_(members, members)
            everybody = _apart(fitted.strengths[members], fitted.uncertainty.covariances[0][pair])
            without = _apart(self._parameters[members], self._covariance[pair])
            lost += int((everybody & ~without).sum())
            gained += int((without & ~everybody).sum())
            kept += int((without & everybody).sum())
        return lost, gained, kept


def _apart(strengths: Floats, covariance: Floats) -> Flags:
    """Which players are better than which, with all pairs tested at once, shape (players, players)."""
    spread = np.diag(covariance)[:, None] + np.diag(covariance)[None, :] - 2 * covariance
    difference = strengths[:, None] - strengths[None, :]
    return np.asarray(difference > simultaneous(covariance) * np.sqrt(np.maximum(spread, 0.0)))


def _finding(rater: str, figures: dict[str, float]) -> Finding:
    judged = " and judges clearly differently from the others" if figures["disagrees"] else ""
    decided = figures["lost"] + figures["kept"]
    return Finding(
        Defect.FLOODING,
        f"Rater {rater} gives {percent(figures['share'])} of all votes ({figures['votes']:.0f}){judged}. Without them, "
        f"{figures['lost']:.0f} of the {decided:.0f} pairs of players that can be told apart no longer could, and "
        f"{figures['gained']:.0f} others could. Look at these votes before you trust the order.",
        rater=rater,
        figures=figures,
    )
