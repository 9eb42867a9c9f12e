"""All checks, in the order in which their findings are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from app.feedback.leaderboard.defects import copies, cycles, few_votes, flooding, renamed, style, ties
from app.feedback.leaderboard.defects.board import Board
from app.feedback.leaderboard.result import Finding

_CHECKS: tuple[Callable[[Board], Iterator[Finding]], ...] = (
    copies.check,
    flooding.check,
    style.check,
    ties.check,
    cycles.check,
    renamed.check,
    few_votes.check,
)


def find(board: Board) -> Iterator[Finding]:
    """What is wrong with a board."""
    for check in _CHECKS:
        yield from check(board)
