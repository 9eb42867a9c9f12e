from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.feedback.leaderboard.comparison import Comparison, Outcome
from app.feedback.leaderboard.compute import leaderboard
from app.feedback.leaderboard.defects.board import chi_squared_tail, critical
from app.feedback.leaderboard.result import Defect, Finding
from benchmarks.synthetic_votes import BEGIN, CLEAN, PLANTED, World, board, clean, planted
from tests.feedback.leaderboard.votes_by_hand import record


def findings(votes: list[Comparison], defect: Defect) -> list[Finding]:
    return [finding for finding in leaderboard(votes).findings if finding.defect is defect]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_found(name: str, seed: int) -> None:
    findings = leaderboard(planted(name, seed)).findings
    assert name.split(" (")[0] in {finding.defect.value for finding in findings}
    allowed = {Defect.POSITION_BIAS} if "side" in name else {Defect.CYCLE} if name == "flooding" else set()
    assert {finding.defect for finding in findings} <= {Defect(name.split(" (")[0]), *allowed}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_boards_raise_no_alarm(name: str) -> None:
    assert [finding.message for seed in range(4) for finding in leaderboard(clean(name, seed)).findings] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", CLEAN)
def test_one_clean_board_in_a_hundred_may_raise_an_alarm(name: str) -> None:
    boards = [leaderboard(clean(name, seed)).findings for seed in range(100, 200)]
    assert sum(map(bool, boards)) <= (10 if name == "turnover" else 3)  # more have a probability below 2 %


@pytest.mark.parametrize(("value", "freedom", "tail"), [(10.828, 1, 0.001), (29.588, 10, 0.001), (30.144, 19, 0.05)])
def test_the_tail_of_chi_squared_is_the_tables(value: float, freedom: int, tail: float) -> None:
    assert chi_squared_tail(value, freedom) == pytest.approx(tail, rel=0.2)


def test_more_tests_have_a_higher_threshold() -> None:
    assert critical(1) == pytest.approx(3.2905, abs=1e-4)
    assert critical(100) == pytest.approx(4.4172, abs=1e-4)


@pytest.mark.parametrize(("position", "place"), [(0.4, "first"), (-0.4, "second")])
def test_position_bias_names_the_place(position: float, place: str) -> None:
    (found,) = findings(board(World(players=4, votes=4_000, position=position), 0), Defect.POSITION_BIAS)
    assert f"shown {place} wins" in found.message
    assert found.figures["coefficient"] == pytest.approx(position, abs=0.12)


@pytest.mark.parametrize(("length", "kind"), [(0.5, "longer"), (-0.5, "shorter")])
def test_length_bias_names_the_kind(length: float, kind: str) -> None:
    (found,) = findings(board(World(players=4, votes=4_000, length=length), 0), Defect.LENGTH_BIAS)
    assert f"the {kind} one wins" in found.message


def test_a_bias_that_is_certain_but_tiny_is_no_finding() -> None:
    result = leaderboard(board(World(players=2, votes=60_000, position=0.08), 0))
    assert result.position is not None
    assert result.position.low > 0
    assert result.findings == ()


def with_one_rater(votes: list[Comparison], every: int) -> list[Comparison]:
    """One rater gives all votes but each `every`-th one."""
    return [vote if number % every == 0 else replace(vote, rater_id="one") for number, vote in enumerate(votes)]


def test_a_rater_who_decides_most_verdicts_alone_is_named_even_if_the_others_agree() -> None:
    (found,) = findings(with_one_rater(board(World(players=6, votes=2_000), 0), 10), Defect.FLOODING)
    assert found.rater == "one"
    assert found.figures["disagrees"] == 0
    assert found.figures["lost"] > 0
    assert found.figures["share"] == pytest.approx(0.9, abs=0.02)


def test_a_rater_with_a_taste_like_others_have_is_no_flood() -> None:
    """Each of 16 raters has a strong taste of their own, and one gives a quarter of the votes."""
    for seed in range(10):
        votes = board(World(players=8, votes=8_000, raters=16, taste=0.7), seed)
        eager = [vote for number, vote in enumerate(votes) if vote.rater_id == "r000" or number % 6 == 0]
        assert findings(eager, Defect.FLOODING) == []


def test_two_or_three_people_who_share_the_votes_are_no_flood() -> None:
    votes = board(World(players=6, votes=2_000, raters=3), 0)
    assert findings(votes, Defect.FLOODING) == []
    assert findings([replace(vote, rater_id="one") for vote in votes], Defect.FLOODING) == []


def test_a_flood_that_changes_no_verdict_is_no_finding() -> None:
    """The rater exaggerates what everybody thinks of a, which is far ahead in any case."""
    crowd = record("a", "b", 900, 100) + record("b", "c", 50, 50)
    loud = record("a", "b", 400, 0, rater_id="loud")
    assert findings(crowd + loud, Defect.FLOODING) == []


def test_a_cycle_is_spelled_out() -> None:
    votes = record("a", "b", 70, 30) + record("b", "c", 70, 30) + record("a", "c", 30, 70)
    (found,) = findings(votes, Defect.CYCLE)
    assert found.players == ("a", "b", "c")
    assert "a beats b in 70 % of 100 decided votes, b beats c in 70 %" in found.message
    assert "and c beats a in 70 %" in found.message
    assert findings(record("a", "b", 70, 30) + record("b", "c", 70, 30) + record("a", "c", 84, 16), Defect.CYCLE) == []


def test_a_deviation_that_is_no_cycle_is_not_called_one() -> None:
    """a beats c by far more than the other pairs let expect, but a, b, c is an order."""
    votes = record("a", "b", 55, 45) + record("b", "c", 55, 45) + record("a", "c", 99, 1)
    assert findings(votes, Defect.CYCLE) == []


def test_a_few_double_clicks_are_no_finding() -> None:
    votes = board(World(players=4, votes=1_000), 0)
    clicks = [replace(vote, judgement_id=f"again-{n}") for n, vote in enumerate(votes[:4])]
    assert leaderboard(votes + clicks).counts.copies == 4
    assert findings(votes + clicks, Defect.COPIED_VOTES) == []


def test_copies_change_no_rating() -> None:
    votes = board(World(), 0)
    assert leaderboard(planted("copied_votes", 0)).groups == leaderboard(votes).groups


def test_ties_of_a_player_are_compared_with_its_rating() -> None:
    (found,) = findings(planted("one_sided_ties", 0), Defect.ONE_SIDED_TIES)
    assert found.players == ("p04",)
    assert found.figures["tie_share"] > found.figures["expected_share"] + 0.08


def renamed(end: float, begin: float) -> list[Finding]:
    """p03 is used until one day and p03-v2 from another day on, of 90."""
    until, since = BEGIN + timedelta(days=end), BEGIN + timedelta(days=begin)
    kept = []
    for number, vote in enumerate(board(World(players=8, votes=6_000), 0)):
        name = "p03" if vote.at < until and (vote.at < since or number % 2) else "p03-v2" if vote.at >= since else None
        if name is None and "p03" in (vote.left, vote.right):
            continue
        left, right = (name or "" if player == "p03" else player for player in (vote.left, vote.right))
        kept.append(replace(vote, left=left, right=right))
    return findings(kept, Defect.POSSIBLY_RENAMED)


def test_a_new_name_begins_where_the_old_one_ends() -> None:
    assert [found.players for found in renamed(45, 45)] == [("p03", "p03-v2")]
    assert renamed(40, 50) == []  # a pause
    assert renamed(50, 40) == []  # both at once


def test_groups_and_players_with_too_few_votes_are_named() -> None:
    votes = record("a", "b", 30, 10) + record("x", "y", 30, 10) + record("new", "a", 3, 0)
    found = {finding.defect: finding for finding in leaderboard(votes).findings}
    assert found[Defect.TOO_FEW_VOTES].players == ("new",)
    assert "new (3)" in found[Defect.TOO_FEW_VOTES].message
    assert "2 groups" in found[Defect.DISCONNECTED].message
    assert "a, b, new; x, y" in found[Defect.DISCONNECTED].message


def test_a_player_that_was_compared_with_nobody_is_no_group_that_is_cut_off() -> None:
    votes = record("a", "b", 30, 10) + record("alone", "alone", 3, 0)
    assert {finding.defect for finding in leaderboard(votes).findings} == {Defect.TOO_FEW_VOTES}


def test_votes_for_neither_connect_nobody() -> None:
    votes = record("a", "b", 30, 10) + record("x", "y", 30, 10)
    bad = [replace(vote, left="a", right="x", outcome=Outcome.BOTH_BAD) for vote in record("a", "x", 50, 0)]
    assert {finding.defect for finding in leaderboard(votes + bad).findings} == {Defect.DISCONNECTED}
