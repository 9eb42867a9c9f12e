"""Votes that are decided by the place or the length of a reply."""

from __future__ import annotations

from collections.abc import Iterator

from app.feedback.leaderboard.defects.board import Board, critical, percent
from app.feedback.leaderboard.result import Defect, Effect, Finding
from app.feedback.leaderboard.uncertainty import POINTWISE

_MIN_VOTES = 50
_MIN_SHIFT = 0.03  # of the decided votes between equals


def check(board: Board) -> Iterator[Finding]:
    """Test the model's two covariates."""
    position, length = board.fitted.effect("position"), board.fitted.effect("length")
    if position is not None and _matters(position):
        place, share = ("first", position.win_share) if position.coefficient > 0 else ("second", 1 - position.win_share)
        yield Finding(
            Defect.POSITION_BIAS,
            f"The reply that is shown {place} wins {percent(share)} of the decided votes between equally good replies "
            f"(from {position.votes} votes side by side). Ratings are free of it if position is controlled for.",
            figures=_figures(position),
        )
    if length is not None and _matters(length):
        kind, share = ("longer", length.win_share) if length.coefficient > 0 else ("shorter", 1 - length.win_share)
        yield Finding(
            Defect.LENGTH_BIAS,
            f"Of two otherwise equal replies, one twice as long as the other, the {kind} one wins {percent(share)} of "
            f"the decided votes (from {length.votes} votes). Ratings are free of it if length is controlled for.",
            figures=_figures(length),
        )


def _matters(effect: Effect) -> bool:
    error = (effect.high - effect.low) / (2 * POINTWISE)
    certain = effect.votes >= _MIN_VOTES and abs(effect.coefficient) > critical(2) * error
    return certain and abs(effect.win_share - 0.5) >= _MIN_SHIFT


def _figures(effect: Effect) -> dict[str, float]:
    names = ("coefficient", "low", "high", "win_share", "votes")
    return {name: getattr(effect, name) for name in names}
