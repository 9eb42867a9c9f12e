from __future__ import annotations

import math

import pytest

from app.feedback.leaderboard.comparison import Outcome
from app.feedback.leaderboard.compute import leaderboard
from app.feedback.leaderboard.result import Verdict
from tests.feedback.leaderboard.votes_by_hand import record, vote


def test_ratings_are_like_elos() -> None:
    (group,) = leaderboard(record("a", "b", 1_000, 100)).groups
    first, second = group.standings
    assert first.rating is not None
    assert second.rating is not None
    assert first.rating - second.rating == pytest.approx(400, abs=3)  # odds of ten to one
    assert first.rating + second.rating == pytest.approx(2_000)
    assert group.win_probabilities[0][1] == pytest.approx(10 / 11, abs=2e-3)
    assert group.win_probabilities[1][0] == pytest.approx(1 / 11, abs=2e-3)
    assert group.win_probabilities[0][0] == 0.5


def test_a_standing_counts() -> None:
    votes = record("a", "b", 25, 10, 5, rater_id="ann") + record("a", "b", 0, 0, 2, rater_id="bob")
    votes += [vote("b", "a", Outcome.BOTH_BAD)] * 1 + [vote("a", "a")]
    (group,) = leaderboard(votes).groups
    a, b = group.standings
    assert (a.wins, a.losses, a.ties, a.both_bad, a.raters) == (25, 10, 7, 1, 2)
    assert (b.wins, b.losses, b.ties, b.both_bad, b.raters) == (10, 25, 7, 1, 2)
    assert a.both_bad_rate == pytest.approx(1 / 43)


def test_neither_is_not_a_tie() -> None:
    plain = record("a", "b", 60, 30, 10)
    bad = [vote("a", "b", Outcome.BOTH_BAD) for _ in range(200)]
    assert leaderboard(plain + bad).groups[0].neighbours == leaderboard(plain).groups[0].neighbours


def test_verdicts() -> None:
    votes = record("a", "b", 300, 100) + record("b", "c", 105, 100) + record("a", "c", 310, 100)
    (group,) = leaderboard(votes).groups
    assert [s.player for s in group.standings] == ["a", "b", "c"]
    separable, not_yet = Verdict.SEPARABLE, Verdict.NOT_YET_SEPARABLE
    assert [s.verdict for s in group.standings] == [separable, not_yet, not_yet]
    assert [(s.rank, s.rank_best, s.rank_worst) for s in group.standings] == [(1, 1, 1), (2, 2, 3), (3, 2, 3)]
    assert [pair.verdict for pair in group.neighbours] == [separable, not_yet]
    assert group.neighbours[0].low > 0 > group.neighbours[1].low


def test_a_verdict_holds_for_all_pairs_at_once() -> None:
    """A pair that would be separable if it were the only one is not among twelve players."""
    pair = record("a", "b", 65, 40)
    others = [one for n in range(10) for one in record("b", f"c{n}", 40, 40)]
    alone, among = (leaderboard(votes).groups[0] for votes in (pair, pair + others))
    assert alone.neighbours[0].verdict is Verdict.SEPARABLE
    assert (among.neighbours[0].better, among.neighbours[0].verdict) == ("a", Verdict.NOT_YET_SEPARABLE)


def test_players_with_too_few_votes_come_last_without_a_rank() -> None:
    votes = record("a", "b", 300, 100) + record("new", "a", 5, 0)
    (group,) = leaderboard(votes).groups
    assert [s.player for s in group.standings] == ["a", "b", "new"]
    assert (group.standings[2].verdict, group.standings[2].rank) == (Verdict.TOO_FEW_VOTES, None)
    assert [s.verdict for s in group.standings[:2]] == [Verdict.SEPARABLE] * 2  # the newcomer doesn't blur them
    assert [(pair.better, pair.worse) for pair in group.neighbours] == [("a", "b")]


def test_a_ranking_counts_by_its_weight() -> None:
    """Twelve rankings of four hold 36 pairs with each player, which are worth 18 votes."""
    names = ("a", "b", "c", "d")
    pairs = [(one, other) for one in names for other in names if one < other]
    votes = [vote(*pair, judgement_id=f"k{n}", weight=2 / 4) for n in range(12) for pair in pairs]
    (group,) = leaderboard(votes).groups
    assert {s.verdict for s in group.standings} == {Verdict.TOO_FEW_VOTES}


def test_groups_are_ranked_apart() -> None:
    chain = record("a", "b", 20, 10) + record("c", "d", 20, 10) + record("b", "c", 20, 10)
    groups = leaderboard([*chain, *record("x", "y", 300, 30), vote("lonely", "lonely")]).groups
    assert [[s.player for s in group.standings] for group in groups] == [["a", "b", "c", "d"], ["x", "y"], ["lonely"]]
    for group in groups[:2]:
        assert math.fsum(s.rating or 0 for s in group.standings) / len(group.standings) == pytest.approx(1000)
    assert (groups[2].standings[0].rating, groups[2].standings[0].verdict) == (None, Verdict.TOO_FEW_VOTES)
    assert groups[1].standings[0].rank == 1


@pytest.mark.parametrize("wins", [25, 400])
@pytest.mark.parametrize("rater", [{}, {"rater_id": "ann"}])
def test_who_won_everything_is_rated_with_a_wide_interval(wins: int, rater: dict[str, str]) -> None:
    (group,) = leaderboard(record("a", "b", wins, 0, **rater) + record("b", "c", 100, 100, **rater)).groups
    best = group.standings[0]
    assert best.player == "a"
    assert best.rating is not None
    assert best.rating_low is not None
    assert best.rating_high is not None
    assert 1_200 < best.rating < 3_000
    assert best.rating_high - best.rating_low > 300


def test_no_votes_are_an_empty_board() -> None:
    board = leaderboard([])
    assert (board.groups, board.findings, board.position, board.length) == ((), (), None, None)
