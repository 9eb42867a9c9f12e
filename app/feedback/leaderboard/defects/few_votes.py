"""Players of whom too little is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.feedback.leaderboard.defects.board import Board
from app.feedback.leaderboard.result import Defect, Finding
from app.feedback.leaderboard.standings import MIN_VOTES


def check(board: Board) -> Iterator[Finding]:
    """Players with too few votes, and groups that nobody compared with each other."""
    votes = board.votes
    count = votes.per_player(votes.weight)
    few = np.flatnonzero(count < MIN_VOTES)
    if len(few):
        names = tuple(votes.players[player] for player in few)
        said = ", ".join(f"{votes.players[player]} ({count[player]:.0f})" for player in few)
        yield Finding(
            Defect.TOO_FEW_VOTES,
            f"Too few votes to rank: {said}. Each player needs {MIN_VOTES} against others, without “both bad”.",
            players=names,
            figures={"players": len(few), "needed": MIN_VOTES},
        )
    groups = [members for members in board.groups if len(members) > 1]
    if len(groups) > 1:
        said = "; ".join(", ".join(votes.players[player] for player in members) for members in groups)
        yield Finding(
            Defect.DISCONNECTED,
            f"The players fall into {len(groups)} groups that nobody has compared with each other: {said}. Each group "
            "is ranked by itself; ratings of different groups can't be compared. Compare players across them.",
            figures={"groups": len(groups)},
        )
