"""Comparisons written out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from app.feedback.leaderboard import reading
from app.feedback.leaderboard.comparison import Comparison, Filter, Outcome
from app.feedback.leaderboard.result import Counts
from app.feedback.leaderboard.table import table_of
from app.feedback.leaderboard.votes import Votes

_numbers = count()


def vote(left: str, right: str, outcome: Outcome = Outcome.LEFT, **rest: Any) -> Comparison:
    """One vote, of its own rater, prompt and judgement unless told otherwise."""
    number = next(_numbers)
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number % 100_000)
    own = {"judgement_id": f"j{number}", "rater_id": f"r{number}", "prompt_id": f"q{number}", "at": at}
    return Comparison(left=left, right=right, outcome=outcome, **own | rest)


def record(left: str, right: str, wins: int, losses: int, ties: int = 0, **rest: Any) -> list[Comparison]:
    """So many votes for the left one, for the right one, and ties."""
    outcomes = [Outcome.LEFT] * wins + [Outcome.RIGHT] * losses + [Outcome.TIE] * ties
    return [vote(left, right, outcome, **rest) for outcome in outcomes]


def read(comparisons: Iterable[Comparison], where: Filter) -> tuple[Votes, Counts]:
    """The votes of comparisons, and what was counted on the way."""
    return reading.read(table_of(comparisons), where)
