"""One model under two names: one ends when the other begins, and all that is known of them is alike.

Chance alone can do this too, so the finding says "possibly".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.feedback.leaderboard.defects.board import Board
from app.feedback.leaderboard.result import Defect, Finding
from app.feedback.leaderboard.standings import POINTS
from app.feedback.leaderboard.uncertainty import POINTWISE
from app.feedback.leaderboard.votes import Floats, Ints, sums

_MIN_VOTES = 50
_LONGEST_PAUSE = 6.0  # between the last vote of one and the first of the other, in usual pauses between their votes
_MAX_ERROR = 60 / POINTS  # a difference that is known no better says nothing
_MAX_LENGTH_DIFFERENCE = 0.1  # of the logarithm


def check(board: Board) -> Iterator[Finding]:
    """Compare every two players whose votes do not overlap in time."""
    votes = board.votes
    count = votes.per_player(np.ones(len(votes)))
    first, last = _first_and_last(board)
    pause = (last - first) / np.maximum(count - 1, 1)
    length = _mean_log_length(board, count)
    for members in board.groups:
        enough = members[count[members] >= _MIN_VOTES]
        error = board.fitted.uncertainty.of_differences(enough)
        for one, before in enumerate(enough):
            for other, after in enumerate(enough):
                gap = first[after] - last[before]
                difference = float(board.fitted.strengths[before] - board.fitted.strengths[after])
                if (
                    0 <= gap <= _LONGEST_PAUSE * max(pause[before], pause[after])
                    and error[one, other] <= _MAX_ERROR
                    and abs(difference) <= POINTWISE * error[one, other]
                    and abs(length[before] - length[after]) <= _MAX_LENGTH_DIFFERENCE
                ):
                    yield _finding(board, count, (int(before), int(after)), difference)


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
    return Finding(
        Defect.POSSIBLY_RENAMED,
        f"{after} is possibly {before} under a new name: its votes begin where those of {before} end, and they have "
        f"similar ratings ({abs(POINTS * difference):.0f} points apart, from {count[pair[0]]:.0f} and {count[pair[1]]:.0f} "
        "votes) and replies of similar length. If so, rate them as one.",
        players=(before, after),
        figures={"difference": abs(POINTS * difference), "votes_before": count[pair[0]], "votes_after": count[pair[1]]},
    )
