"""Ties that fall on one side: a player's losses, or one side's wins, that were recorded as ties.

Davidson's ties depend on how close two players are, not on which of them is better. A player with far more ties than
that, or more ties when the reply shown first is the weaker one than when it is the stronger one, is a sign of an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from app.feedback.leaderboard import davidson
from app.feedback.leaderboard.defects.board import Board, critical, percent
from app.feedback.leaderboard.result import Defect, Finding
from app.feedback.leaderboard.votes import Floats

_MIN_EXCESS = 0.08  # of a player's votes, or between the two sides
_MIN_EXPECTED = 5.0  # ties, for the normal approximation


def check(board: Board) -> Iterator[Finding]:
    """Compare the ties with the model's."""
    _, surplus = davidson.residuals(board.fitted.model, board.fitted.chances)
    tie = board.fitted.chances.tie
    noise = board.votes.weight**2 * tie * (1 - tie)
    yield from _by_player(board, surplus, noise)
    yield from _by_side(board, surplus, noise)


def _by_player(board: Board, surplus: Floats, noise: Floats) -> Iterator[Finding]:
    votes = board.votes
    weight, expected = votes.per_player(votes.weight), votes.per_player(votes.weight * board.fitted.chances.tie)
    excess = votes.per_player(surplus)
    certain = excess > critical(2 * len(votes.players)) * np.sqrt(votes.per_player(noise))
    for player in np.flatnonzero(certain & (excess >= _MIN_EXCESS * weight) & (expected >= _MIN_EXPECTED)):
        share, usual = (expected[player] + excess[player]) / weight[player], expected[player] / weight[player]
        yield Finding(
            Defect.ONE_SIDED_TIES,
            f"{percent(share)} of the votes about {votes.players[player]} are ties; its rating and "
            f"everybody's ties let expect {percent(usual)}. Are its losses, or failed replies, recorded as ties?",
            players=(votes.players[player],),
            figures={"tie_share": float(share), "expected_share": float(usual)},
        )


def _by_side(board: Board, surplus: Floats, noise: Floats) -> Iterator[Finding]:
    votes, strengths = board.votes, board.fitted.strengths
    lead = votes.position * (strengths[votes.left] - strengths[votes.right])  # of the reply shown first
    excess, error = float(surplus @ lead), math.sqrt(float(noise @ lead**2))
    stronger, weaker = votes.weight[lead > 0].sum(), votes.weight[lead < 0].sum()
    if error == 0 or abs(excess) <= critical(2) * error or not min(stronger, weaker):
        return
    tied = votes.weight * (votes.result == 0)
    when_stronger, when_weaker = tied[lead > 0].sum() / stronger, tied[lead < 0].sum() / weaker
    if abs(when_stronger - when_weaker) < _MIN_EXCESS:
        return
    side = "second" if when_weaker > when_stronger else "first"
    yield Finding(
        Defect.ONE_SIDED_TIES,
        f"{percent(when_weaker)} of the votes are ties when the reply shown first is by the weaker player, but "
        f"{percent(when_stronger)} when it is by the stronger one. Are wins of the {side} one recorded as ties?",
        figures={"tie_share_first_weaker": float(when_weaker), "tie_share_first_stronger": float(when_stronger)},
    )
