"""From fitted strengths to groups of ranked players with verdicts."""

from __future__ import annotations

import math

import numpy as np

from app.feedback.leaderboard.fitted import Fitted
from app.feedback.leaderboard.result import Group, NeighbourPair, Standing, Verdict
from app.feedback.leaderboard.uncertainty import POINTWISE, simultaneous
from app.feedback.leaderboard.votes import Floats, Ints, Votes

AVERAGE = 1000.0
POINTS = 400 / math.log(10)  # per unit of log-odds: 400 points are odds of ten to one, as in Elo's system
MIN_VOTES = 20  # by weight; below, the normal approximation of the intervals is not to be trusted


def connected(votes: Votes) -> list[Ints]:
    """The groups of players that comparisons connect, largest first; each one's indices in order."""
    group = np.arange(len(votes.players))
    edges = np.unique(votes.left * len(votes.players) + votes.right)
    left, right = np.divmod(edges, max(len(votes.players), 1))
    while len(edges) and (group[left] != group[right]).any():
        lower = np.minimum(group[left], group[right])
        np.minimum.at(group, left, lower)
        np.minimum.at(group, right, lower)
    groups = [np.flatnonzero(group == name) for name in np.unique(group)]
    return sorted(groups, key=lambda members: (-len(members), int(members[0])))


def rank(board: Fitted, members: Ints) -> Group:
    """One connected group, best first; those with too few votes come last, without a rank."""
    votes = board.model.votes
    few = votes.per_player(votes.weight)[members] < MIN_VOTES
    members = members[np.lexsort((members, -board.strengths[members], few))]
    ranked = len(members) - int(few.sum())
    strengths = board.strengths[members]
    errors = board.uncertainty.of_differences(members)
    family = members[:ranked]
    critical = simultaneous(board.uncertainty.covariances[0][np.ix_(family, family)])
    return Group(
        standings=_standings(
            votes,
            members,
            strengths - strengths.mean(),
            _rating_errors(board, members),
            _places(strengths, errors, critical, ranked),
        ),
        neighbours=tuple(_pair(votes, members, strengths, errors, critical, place) for place in range(ranked - 1)),
        win_probabilities=tuple(
            tuple(float(p) for p in row) for row in _logistic(strengths[:, None] - strengths[None, :])
        ),
    )


def _places(strengths: Floats, errors: Floats, critical: float, ranked: int) -> list[tuple[int, int]]:
    """The best and the worst place of each ranked player that are compatible with the votes."""
    difference = (strengths[:, None] - strengths[None, :])[:ranked, :ranked]
    better = difference > critical * errors[:ranked, :ranked]
    return [(1 + int(better[:, place].sum()), ranked - int(better[place].sum())) for place in range(ranked)]


def _rating_errors(board: Fitted, members: Ints) -> Floats:
    """Standard errors of the ratings, which are differences to the group's average."""
    contrast = np.zeros((len(members), board.model.size))
    contrast[np.arange(len(members)), members] = 1.0
    contrast[:, members] -= 1 / len(members)
    return np.sqrt(board.uncertainty.variance(contrast))


def _standings(
    votes: Votes, members: Ints, strengths: Floats, errors: Floats, places: list[tuple[int, int]]
) -> tuple[Standing, ...]:
    left, right = votes.result == 1, votes.result == -1
    players = len(votes.players)
    wins = np.bincount(votes.left[left], minlength=players) + np.bincount(votes.right[right], minlength=players)
    losses = np.bincount(votes.left[right], minlength=players) + np.bincount(votes.right[left], minlength=players)
    ties = votes.per_player(votes.result == 0)
    pairs = np.concatenate(
        [votes.left * len(votes.raters) + votes.rater, votes.right * len(votes.raters) + votes.rater]
    )
    raters = np.bincount(np.unique(pairs) // max(len(votes.raters), 1), minlength=players)
    rows = []
    for place, player in enumerate(members):
        best, worst = places[place] if place < len(places) else (None, None)
        alone = len(members) == 1
        decided = int(wins[player] + losses[player] + ties[player])
        both_bad = int(votes.both_bad[player])
        rating, margin = AVERAGE + POINTS * float(strengths[place]), POINTS * POINTWISE * float(errors[place])
        rows.append(
            Standing(
                player=votes.players[player],
                rank=None if best is None else place + 1,
                rank_best=best,
                rank_worst=worst,
                rating=None if alone else rating,
                rating_low=None if alone else rating - margin,
                rating_high=None if alone else rating + margin,
                wins=int(wins[player]),
                losses=int(losses[player]),
                ties=int(ties[player]),
                both_bad=both_bad,
                both_bad_rate=both_bad / max(decided + both_bad, 1),
                raters=int(raters[player]),
                verdict=_verdict(best, worst),
            )
        )
    return tuple(rows)


def _verdict(best: int | None, worst: int | None) -> Verdict:
    if best is None:
        return Verdict.TOO_FEW_VOTES
    return Verdict.SEPARABLE if best == worst else Verdict.NOT_YET_SEPARABLE


def _pair(votes: Votes, members: Ints, strengths: Floats, errors: Floats, critical: float, place: int) -> NeighbourPair:
    """The players at `place` and after it."""
    difference = float(strengths[place] - strengths[place + 1])
    margin = critical * float(errors[place, place + 1])
    return NeighbourPair(
        better=votes.players[members[place]],
        worse=votes.players[members[place + 1]],
        difference=POINTS * difference,
        low=POINTS * (difference - margin),
        high=POINTS * (difference + margin),
        win_probability=float(_logistic(np.float64(difference))),
        verdict=Verdict.SEPARABLE if difference > margin else Verdict.NOT_YET_SEPARABLE,
    )


def _logistic(x: Floats | np.float64) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))
