from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.feedback.leaderboard.comparison import Comparison, Filter, Outcome
from app.feedback.leaderboard.table import table_of
from tests.feedback.leaderboard.votes_by_hand import read, vote

ALL = Filter()


def test_left_and_right_are_only_names() -> None:
    one = vote("b", "a", Outcome.LEFT, left_position_shown=0, left_length=5, right_length=9)
    votes, _ = read([one], ALL)
    assert votes.players == ("a", "b")
    columns = (votes.left, votes.right, votes.result, votes.position, votes.left_length, votes.right_length)
    assert [int(column[0]) for column in columns] == [0, 1, -1, -1, 9, 5]


def test_self_pairs_and_votes_for_neither_are_counted_and_not_used() -> None:
    given = [vote("a", "a"), vote("a", "b"), vote("a", "b", Outcome.BOTH_BAD), vote("c", "c", Outcome.BOTH_BAD)]
    votes, counts = read(given, ALL)
    assert len(votes) == 1
    assert (counts.given, counts.self_pairs, counts.both_bad, counts.used) == (4, 2, 1, 1)
    assert votes.both_bad.tolist() == [1, 1, 0]


def test_copies_count_once_and_are_attributed() -> None:
    first = vote("a", "b", rater_id="ann", left_length=100, right_length=200)
    mirrored = replace(
        first, judgement_id="m", left="b", right="a", outcome=Outcome.RIGHT, left_length=200, right_length=100
    )
    votes, counts = read([first, replace(first, judgement_id="x"), mirrored], ALL)
    assert (len(votes), counts.copies, counts.used) == (1, 2, 1)
    assert votes.copies.tolist() == [2]


@pytest.mark.parametrize(
    "change",
    [
        {"rater_id": "bob"},
        {"prompt_id": "other"},
        {"outcome": Outcome.TIE},
        {"left_length": 101},
        {"left_position_shown": 1},
        {"right": "c"},
    ],
)
def test_votes_that_differ_are_no_copies(change: dict[str, object]) -> None:
    first = vote("a", "b", rater_id="ann", left_length=100, right_length=200)
    _, counts = read([first, replace(first, judgement_id="x", **change)], ALL)  # type: ignore[arg-type]
    assert counts.copies == 0


def test_pairs_of_one_ranking_are_no_copies_of_each_other() -> None:
    one = vote("a", "b")  # two replies of a, as long as each other, above one of b
    _, counts = read([one, replace(one)], ALL)
    assert (counts.copies, counts.used) == (0, 2)


NOW = datetime(2026, 5, 1, tzinfo=UTC)
GERMAN = vote("a", "b", language="de", at=NOW, source="import")
BLIND = vote("a", "b", blind=True, at=NOW - timedelta(days=1))


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        (Filter(), [GERMAN, BLIND]),
        (Filter(language="de"), [GERMAN]),
        (Filter(language="fr"), []),
        (Filter(source="import"), [GERMAN]),
        (Filter(blind_only=True), [BLIND]),
        (Filter(since=NOW), [GERMAN]),
        (Filter(language="de", blind_only=True), []),
    ],
)
def test_filters(where: Filter, kept: list[Comparison]) -> None:
    table = table_of([GERMAN, BLIND])
    assert [(GERMAN, BLIND)[row] for row in table.passing(where)] == kept
    _, counts = read([GERMAN, BLIND], where)
    assert (counts.filtered_out, counts.used) == (2 - len(kept), len(kept))


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_a_weight_must_be_positive(weight: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        read([vote("a", "b", weight=weight)], ALL)


def test_a_length_is_not_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        read([vote("a", "b", right_length=-1)], ALL)


def test_no_votes_are_a_table_without_rows() -> None:
    votes, counts = read([], ALL)
    assert (len(votes), votes.players, counts.given) == (0, (), 0)


def test_chunks_are_joined() -> None:
    votes, counts = read((vote("a", f"b{number % 7}") for number in range(25_000)), ALL)
    assert counts.used == len(votes) == 25_000
    assert np.all(votes.left < votes.right)
