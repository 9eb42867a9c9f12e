"""The same vote many times, as a file leaves that was imported twice."""

from __future__ import annotations

from collections.abc import Iterator

from app.feedback.leaderboard.defects.board import Board, percent
from app.feedback.leaderboard.result import Defect, Finding

_MIN, _MIN_SHARE = 5, 0.005  # of the votes; a few double clicks are no finding


def check(board: Board) -> Iterator[Finding]:
    """Count what :func:`app.feedback.leaderboard.reading.read` has left out."""
    copies, whole = board.counts.copies, board.counts.copies + board.counts.used + board.counts.both_bad
    if copies < _MIN or copies < _MIN_SHARE * whole:
        return
    most = int(board.votes.copies.argmax())
    of_most = int(board.votes.copies[most])
    rater = board.votes.raters[most]
    yield Finding(
        Defect.COPIED_VOTES,
        f"{copies} of {whole} votes ({percent(copies / whole)}) repeat another one: same rater, prompt, "
        f"replies and outcome; {of_most} of them are by rater {rater}. Each counts once. Was a file imported twice?",
        rater=rater,
        figures={"copies": copies, "votes": whole, "copies_of_rater": of_most},
    )
