"""The way in: comparisons → a leaderboard with its findings."""

from __future__ import annotations

from collections.abc import Iterable

from app.feedback.leaderboard.comparison import Comparison, Filter
from app.feedback.leaderboard.defects.board import Board
from app.feedback.leaderboard.defects.find import find
from app.feedback.leaderboard.fitted import fitted
from app.feedback.leaderboard.reading import read
from app.feedback.leaderboard.result import Leaderboard
from app.feedback.leaderboard.standings import connected, rank
from app.feedback.leaderboard.table import Table, table_of

COVARIATES = frozenset({"position", "length"})
_EVERYTHING = Filter()


def leaderboard(
    comparisons: Iterable[Comparison], where: Filter = _EVERYTHING, control: frozenset[str] = COVARIATES
) -> Leaderboard:
    """Rank the players of the comparisons that pass the filter. The order of the comparisons makes no difference.

    `control` names the covariates whose effects are taken out of the ratings. Whether length should be is a matter of
    taste: with it, ratings say how good replies are at equal length. Findings are the same in any case.
    """
    return leaderboard_of(table_of(comparisons), where, control)


def leaderboard_of(table: Table, where: Filter = _EVERYTHING, control: frozenset[str] = COVARIATES) -> Leaderboard:
    """The same for comparisons that are columns."""
    votes, counts = read(table, where)
    everything = fitted(votes, COVARIATES)
    chosen = everything if control >= COVARIATES else fitted(votes, control)
    groups = [rank(chosen, members) for members in connected(votes)]
    return Leaderboard(
        groups=tuple(groups),
        position=chosen.effect("position"),
        length=chosen.effect("length"),
        clustered_by=chosen.uncertainty.clustered_by,
        findings=tuple(find(Board(everything, connected(votes), counts))),
        counts=counts,
    )
