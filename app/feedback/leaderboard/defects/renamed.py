"""One model under two names: one ends when the other begins, and all that is known of them is alike.

Chance alone can do this too, so the finding says "possibly"; and where players come and go all the time, so that some
pairs have to follow each other like this, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from app.feedback.leaderboard.defects.board import Board
from app.feedback.leaderboard.result import Defect, Finding
from app.feedback.leaderboard.standings import POINTS
from app.feedback.leaderboard.votes import Floats, Ints, sums

_MIN_VOTES = 50
_LONGEST_PAUSE = 5.0  # between the last vote of one and the first of the other, in usual pauses between votes
_COINCIDENCES = 0.1  # expected number of pairs that follow each other so closely by chance
_SAME_PACE = 2.0  # at most so many times as many votes in the same time
_SAME_RATING = 2.6  # standard errors: a model under two names differs more in one case out of a hundred
_MAX_ERROR = 60 / POINTS  # a difference that is known no better says nothing
_SAME_LENGTH = 0.13  # difference between the mean logarithms


def check(board: Board) -> Iterator[Finding]:
    """Compare every two players whose votes do not overlap in time."""
    votes = board.votes
    count = votes.per_player(np.ones(len(votes)))
    first, last = _first_and_last(board)
    pause = (last - first) / np.maximum(count - 1, 1)
    length = _mean_log_length(board, count)
    apart = int((first[None, :] >= last[:, None]).sum())  # pairs of which one ends before the other begins
    longest = _LONGEST_PAUSE * np.minimum(pause[:, None], pause[None, :])
    longest = np.minimum(
        longest, _COINCIDENCES * (votes.time.max(initial=0.0) - votes.time.min(initial=0.0)) / max(apart, 1)
    )
    for members in board.groups:
        enough = members[count[members] >= _MIN_VOTES]
        pair = np.ix_(enough, enough)
        gap = (first[None, :] - last[:, None])[pair]
        error = board.fitted.uncertainty.of_differences(enough)
        difference = (board.fitted.strengths[:, None] - board.fitted.strengths[None, :])[pair]
        pace = np.abs(np.log(pause[enough][:, None] / pause[enough][None, :]))
        alike = (gap >= 0) & (gap <= longest[pair]) & (pace <= math.log(_SAME_PACE))
        alike &= (error <= _MAX_ERROR) & (np.abs(difference) <= _SAME_RATING * error)
        alike &= np.abs(length[enough][:, None] - length[enough][None, :]) <= _SAME_LENGTH
        for before, after in np.argwhere(alike):
            yield _finding(board, count, (int(enough[before]), int(enough[after])), float(difference[before, after]))


def _first_and_last(board: Board) -> tuple[Floats, Floats]:
    """When each player's first and last vote were given."""
    first, last = (np.full(len(board.votes.players), value) for value in (np.inf, -np.inf))
    for side in (board.votes.left, board.votes.right):
        np.minimum.at(first, side, board.votes.time)
        np.maximum.at(last, side, board.votes.time)
    return first, last


def _mean_log_length(board: Board, count: Floats) -> Floats:
    votes = board.votes

    def total(side: Ints, length: Ints) -> Floats:
        return sums(side, np.log1p(length), len(votes.players))

    return (total(votes.left, votes.left_length) + total(votes.right, votes.right_length)) / np.maximum(count, 1)


def _finding(board: Board, count: Floats, pair: tuple[int, int], difference: float) -> Finding:
    before, after = (board.votes.players[player] for player in pair)
    points, votes_before, votes_after = abs(POINTS * difference), count[pair[0]], count[pair[1]]
    return Finding(
        Defect.POSSIBLY_RENAMED,
        f"{after} is possibly {before} under a new name: its votes begin where those of {before} end, as often, "
        f"with similar ratings ({points:.0f} points apart, from {votes_before:.0f} and {votes_after:.0f} votes) and "
        "replies of similar length. If so, rate them as one.",
        players=(before, after),
        figures={"difference": points, "votes_before": float(votes_before), "votes_after": float(votes_after)},
    )
