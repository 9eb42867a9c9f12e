"""A beats B, B beats C, and C beats A: no order of the players explains the votes.

For each pair γ is the difference between its own log-odds and the model's (one step of Newton's method). Around a
triple the strengths cancel, so under the model γ_ij + γ_jk + γ_ki is 0 up to chance, whatever the strengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

import numpy as np

from app.feedback.leaderboard import davidson
from app.feedback.leaderboard.defects.board import Board, critical, percent
from app.feedback.leaderboard.result import Defect, Finding
from app.feedback.leaderboard.votes import Floats, Ints, Votes

_MIN_INFORMATION = 2.0  # per pair: about ten votes
_MIN_ADVANTAGE = 0.1  # log-odds of each of the three: 52.5 %


def check(board: Board) -> Iterator[Finding]:
    """The clearest cycle of three, and how many there are."""
    advantage, deviation, variance = _pairs(board)
    players = len(advantage)
    threshold = critical(2 * comb(players, 3))
    found: list[tuple[float, tuple[int, int, int]]] = []
    for first in range(players):
        around = deviation[first][:, None] + deviation + deviation[:, first][None, :]
        error = np.sqrt(variance[first][:, None] + variance + variance[:, first][None, :])
        least = np.minimum(np.minimum(advantage[first][:, None], advantage), advantage[:, first][None, :])
        certainty = np.where(least >= _MIN_ADVANTAGE, around / error, 0.0)
        certainty[: first + 1] = 0.0  # each cycle once: from its smallest member
        certainty[:, : first + 1] = 0.0
        second, third = np.nonzero(certainty > threshold)
        found += [(float(certainty[j, k]), (first, int(j), int(k))) for j, k in zip(second, third, strict=True)]
    if found:
        certainty_of_best, best = max(found)
        yield _finding(board.votes, best, certainty_of_best, len(found))


def _pairs(board: Board) -> tuple[Floats, Floats, Floats]:
    """Of each player against each other: log-odds, their deviation from the model, its variance; (players, players)."""
    model, votes = board.fitted.model, board.votes
    of_difference, _ = davidson.residuals(model, board.fitted.chances)
    spread = board.fitted.chances.variance
    surplus, information = votes.per_pair(of_difference), votes.per_pair(votes.weight * spread)
    noise = votes.per_pair(votes.weight**2 * spread)
    surplus, information, noise = surplus - surplus.T, information + information.T, noise + noise.T
    known = information >= _MIN_INFORMATION
    safe = np.where(known, information, 1.0)
    deviation = np.where(known, surplus / safe, 0.0)
    strengths = board.fitted.strengths
    advantage = np.where(known, strengths[:, None] - strengths[None, :] + deviation, -np.inf)
    return advantage, deviation, np.where(known, noise / safe**2, 1.0)


def _finding(votes: Votes, cycle: tuple[int, int, int], certainty: float, count: int) -> Finding:
    links = [(one, other) for one, other in zip(cycle, (*cycle[1:], cycle[0]), strict=True)]
    shares = [_record(votes, one, other) for one, other in links]
    names = [votes.players[player] for player in cycle]
    said = [
        f"{votes.players[one]} beats {votes.players[other]} in {percent(won / decided)} of {decided} decided votes"
        for (one, other), (won, decided) in zip(links, shares, strict=True)
    ]
    others = f" There are {count - 1} more such cycles." if count > 1 else ""
    return Finding(
        Defect.CYCLE,
        f"{said[0]}, {said[1]}, and {said[2]}: no order explains this, so their ratings say little about a single pair."
        f"{others} Do these pairs see different prompts or raters?",
        players=tuple(names),
        figures={"cycles": count, "standard_errors": certainty}
        | {f"share_{place}": won / decided for place, (won, decided) in enumerate(shares, start=1)},
    )


def _record(votes: Votes, one: int, other: int) -> tuple[int, int]:
    """Decided votes that `one` won against `other`, and all decided ones."""
    low, high, sign = (one, other, 1) if one < other else (other, one, -1)
    results: Ints = votes.result[(votes.left == low) & (votes.right == high)]
    return int((results == sign).sum()), int((results != 0).sum())
