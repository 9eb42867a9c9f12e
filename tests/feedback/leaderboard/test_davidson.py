from __future__ import annotations

import math

import numpy as np
import pytest

from app.feedback.leaderboard import davidson
from app.feedback.leaderboard.comparison import Comparison, Filter
from app.feedback.leaderboard.compute import COVARIATES
from app.feedback.leaderboard.davidson import PRIOR_SD, Design
from app.feedback.leaderboard.votes import Floats
from benchmarks.synthetic_votes import World, board
from tests.feedback.leaderboard.votes_by_hand import read, record


def design(votes: list[Comparison]) -> Design:
    return davidson.design(read(votes, Filter())[0], COVARIATES)


@pytest.fixture(scope="module")
def model() -> Design:
    return design(board(World(players=6, votes=2_000, position=0.3, length=0.4), 0))


def slope(model: Design, parameters: Floats) -> Floats:
    chances = davidson.probabilities(model, parameters)
    return davidson.score_sum(model, *davidson.residuals(model, chances)) - parameters / PRIOR_SD**2


def test_two_players_have_the_odds_of_their_record() -> None:
    model = design(record("a", "b", 3_000, 1_000, 2_000))
    found = davidson.fit(model)
    chances = davidson.probabilities(model, found)
    assert found[0] - found[1] == pytest.approx(math.log(3), abs=2e-3)  # the prior takes a little
    assert chances.left[0] == pytest.approx(3_000 / 6_000, abs=1e-3)
    assert chances.tie[0] == pytest.approx(2_000 / 6_000, abs=1e-3)


def test_the_slope_is_the_derivative_of_the_objective(model: Design) -> None:
    at = np.linspace(-0.5, 0.5, model.size)
    steps = 1e-5 * np.eye(model.size)
    numeric = [(davidson._objective(model, at + s) - davidson._objective(model, at - s)) / 2e-5 for s in steps]
    assert slope(model, at) == pytest.approx(numeric, abs=1e-4)


def test_the_information_is_the_derivative_of_the_slope(model: Design) -> None:
    at = np.linspace(-0.5, 0.5, model.size)
    steps = 1e-5 * np.eye(model.size)
    numeric = np.array([(slope(model, at - s) - slope(model, at + s)) / 2e-5 for s in steps])
    found = davidson.information(model, davidson.probabilities(model, at))
    assert found == pytest.approx(numeric, abs=1e-4)


def test_the_fit_is_the_maximum(model: Design) -> None:
    assert np.abs(slope(model, davidson.fit(model))).max() < 1e-6


def test_the_truth_is_found() -> None:
    world = World(players=6, votes=40_000, position=0.3, length=0.4)
    found = davidson.fit(design(board(world, 1)))
    assert found[:6] == pytest.approx(world.strengths(), abs=0.08)
    assert found[6:] == pytest.approx([world.tie, world.position, world.length], abs=0.08)


@pytest.mark.parametrize("wins", [1, 20, 100_000])
def test_who_won_everything_has_a_finite_strength(wins: int) -> None:
    found = davidson.fit(design(record("a", "b", wins, 0)))
    assert 0 < found[0] < 12
    assert np.isfinite(found).all()


def test_the_prior_weighs_less_than_half_a_vote() -> None:
    """Half a win and half a loss more would pull a record of 10 : 0 down to log(10.5 / 0.5)."""
    found = davidson.fit(design(record("a", "b", 10, 0)))
    assert found[0] - found[1] > math.log(10.5 / 0.5)


def test_the_strengths_of_each_connected_group_average_zero() -> None:
    votes = record("a", "b", 30, 10, 5) + record("b", "c", 20, 10, 5) + record("x", "y", 9, 3)
    found = davidson.fit(design(votes))
    assert found[:3].sum() == pytest.approx(0, abs=1e-9)
    assert found[3:5].sum() == pytest.approx(0, abs=1e-9)


def test_weights_count_votes() -> None:
    doubled = design(record("a", "b", 30, 10, 6, weight=2.0) + record("b", "c", 8, 9))
    repeated = design(record("a", "b", 60, 20, 12) + record("b", "c", 8, 9))
    assert davidson.fit(doubled) == pytest.approx(davidson.fit(repeated), abs=1e-8)


def test_covariates_without_variation_are_left_out() -> None:
    assert design(record("a", "b", 2, 1)).covariates == ()
    shown = record("a", "b", 2, 1, left_position_shown=0)
    assert design(shown).covariates == ("position",)
    assert davidson.design(read(shown, Filter())[0], frozenset()).covariates == ()
