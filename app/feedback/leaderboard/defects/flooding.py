"""One rater who gives so many votes that the board shows their opinion instead of everybody's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.feedback.leaderboard import davidson
from app.feedback.leaderboard.davidson import Design
from app.feedback.leaderboard.defects.board import FALSE_ALARM, Board, chi_squared_tail, percent
from app.feedback.leaderboard.result import Defect, Finding
from app.feedback.leaderboard.uncertainty import simultaneous
from app.feedback.leaderboard.votes import Flags, Floats, sums

_LARGE, _TIMES_MEDIAN = 0.2, 3.0  # share of the votes, and how much more than the median rater
_MAJORITY, _OTHERS = 0.5, 5  # share that decides alone, and how many others make that remarkable
_MIN_VOTES = 50  # of the rater, and of the others


def check(board: Board) -> Iterator[Finding]:
    """Fit the model without each rater who gives a large share, and compare."""
    votes = board.votes
    share = sums(votes.rater, votes.weight, len(votes.raters)) / max(votes.weight.sum(), 1.0)
    raters = share[share > 0]
    if len(raters) < 2:
        return
    suspects = np.flatnonzero((share >= _LARGE) & (share >= _TIMES_MEDIAN * np.median(raters)))
    for suspect in suspects:
        own = votes.rater == suspect
        if min(own.sum(), (~own).sum()) < _MIN_VOTES:
            continue
        without = _Without(board, own)
        chance = without.chance_of_disagreement()
        lost, decided = without.lost_verdicts()
        disagrees = chance < FALSE_ALARM / len(suspects)
        alone = share[suspect] >= _MAJORITY and len(raters) > _OTHERS and lost > 0
        if disagrees or alone:
            yield _finding(votes.raters[suspect], float(share[suspect]), int(own.sum()), disagrees, lost, decided)


class _Without:
    """The board without one rater's votes."""

    def __init__(self, board: Board, own: Flags) -> None:
        self._board = board
        self._own: Design = board.fitted.model.subset(own)
        self._others: Design = board.fitted.model.subset(~own)
        self._parameters = davidson.fit(self._others, start=board.fitted.parameters)
        chances = davidson.probabilities(self._others, self._parameters)
        self._covariance: Floats = np.linalg.inv(davidson.information(self._others, chances)).astype(np.float64)

    def chance_of_disagreement(self) -> float:
        """How likely the rater's votes are to differ so much from the others' if all judge alike (score test)."""
        own, players = self._own, self._own.players
        chances = davidson.probabilities(own, self._parameters)
        score = davidson.score_sum(own, *davidson.residuals(own, chances))[:players]
        weight, tie = own.votes.weight, chances.tie

        def moments(scale: Floats) -> Floats:
            mixed = -scale * chances.expected * tie
            return davidson.quadratic_form(own, scale * chances.variance, mixed, scale * tie * (1 - tie))[:players]

        slope = moments(weight)
        covariance = moments(weight**2)[:, :players] + slope @ self._covariance @ slope.T
        values, vectors = np.linalg.eigh(covariance)
        kept = values > 1e-9 * max(values[-1], 1.0)
        value = float(((vectors[:, kept].T @ score) ** 2 / values[kept]).sum())
        return chi_squared_tail(value, int(kept.sum()))

    def lost_verdicts(self) -> tuple[int, int]:
        """How many pairs of players the votes tell apart only with this rater, and how many with everybody."""
        lost = decided = 0
        fitted = self._board.fitted
        for members in self._board.groups:
            pair = np.ix_(members, members)
            with_all = _apart(fitted.strengths[members], fitted.uncertainty.covariances[0][pair])
            without = _apart(self._parameters[members], self._covariance[pair])
            decided += int(with_all.sum())
            lost += int((with_all & ~without).sum())
        return lost, decided


def _apart(strengths: Floats, covariance: Floats) -> Flags:
    """Which players are better than which, with all pairs tested at once, shape (players, players)."""
    spread = np.diag(covariance)[:, None] + np.diag(covariance)[None, :] - 2 * covariance
    difference = strengths[:, None] - strengths[None, :]
    return np.asarray(difference > simultaneous(covariance) * np.sqrt(np.maximum(spread, 0.0)))


def _finding(rater: str, share: float, votes: int, disagrees: bool, lost: int, decided: int) -> Finding:
    judged = " and judges clearly differently from everybody else" if disagrees else ""
    return Finding(
        Defect.FLOODING,
        f"Rater {rater} gives {percent(share)} of all votes ({votes}){judged}. Of {decided} pairs that the votes tell "
        f"apart, {lost} would not be without this rater. Look at these votes before trusting the order.",
        rater=rater,
        figures={"share": share, "votes": votes, "disagrees": float(disagrees), "verdicts": decided, "lost": lost},
    )
