from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.feedback.leaderboard import davidson
from app.feedback.leaderboard import uncertainty as module
from app.feedback.leaderboard.comparison import Comparison, Filter
from app.feedback.leaderboard.compute import COVARIATES, leaderboard
from app.feedback.leaderboard.fitted import Fitted, fitted
from app.feedback.leaderboard.result import ClusteredBy
from app.feedback.leaderboard.standings import AVERAGE, POINTS
from app.feedback.leaderboard.uncertainty import POINTWISE, simultaneous
from app.feedback.leaderboard.votes import Floats, Ints
from benchmarks.synthetic_votes import World, board, clean
from tests.feedback.leaderboard.votes_by_hand import read


def fit(votes: list[Comparison]) -> Fitted:
    return fitted(read(votes, Filter())[0], COVARIATES)


def sandwich_by_loops(found: Fitted, cluster: Ints) -> Floats:
    """The textbook's formula, one vote after the other."""
    model, votes = found.model, found.model.votes
    scores = np.zeros((int(cluster.max()) + 1, model.size))
    of_difference, of_tie = davidson.residuals(model, found.chances)
    for row in range(len(votes)):
        scores[cluster[row], votes.left[row]] += of_difference[row]
        scores[cluster[row], votes.right[row]] -= of_difference[row]
        scores[cluster[row], model.players] += of_tie[row]
        scores[cluster[row], model.players + 1 :] += of_difference[row] * model.x[:, row]
    bread, clusters = found.uncertainty.covariances[0], len(np.unique(cluster))
    return np.asarray(bread @ scores.T @ scores @ bread * clusters / (clusters - 1))


@pytest.mark.parametrize("block", [7, 8_192])
def test_the_sandwich_is_the_textbooks(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(module, "_CLUSTERS", block)
    votes = board(World(players=5, votes=600, raters=40), 0)
    found = fit([replace(vote, judgement_id=f"j{n // 3}") for n, vote in enumerate(votes)])
    columns = found.model.votes
    assert found.uncertainty.covariances[1] == pytest.approx(sandwich_by_loops(found, columns.judgement))
    student = module._student(len(np.unique(columns.rater)) - 1) ** 2
    assert found.uncertainty.covariances[2] == pytest.approx(student * sandwich_by_loops(found, columns.rater))


@pytest.mark.parametrize(("freedom", "quantile"), [(9, 2.2622), (20, 2.0860), (60, 2.0003)])
def test_students_quantile(freedom: int, quantile: float) -> None:
    assert POINTWISE * module._student(freedom) == pytest.approx(quantile, rel=2.5e-3)


@pytest.mark.parametrize(("players", "range_quantile"), [(2, 2.772), (3, 3.314), (10, 4.474), (20, 5.012)])
def test_the_critical_value_is_tukeys_if_players_are_independent(players: int, range_quantile: float) -> None:
    """The quantiles of the studentized range are from the published tables (95 %, infinite degrees of freedom)."""
    assert simultaneous(np.eye(players)) == pytest.approx(range_quantile / np.sqrt(2), rel=0.02)


def test_few_raters_can_only_speak_for_themselves() -> None:
    few = board(World(players=4, votes=400, raters=5), 0)
    many = board(World(players=4, votes=400, raters=40), 0)
    assert leaderboard(few).clustered_by is ClusteredBy.JUDGEMENT
    assert leaderboard(many).clustered_by is ClusteredBy.RATER
    flooded = [replace(vote, rater_id="one") if n % 10 else vote for n, vote in enumerate(many)]
    assert leaderboard(flooded).clustered_by is ClusteredBy.JUDGEMENT


def coverage(world: World, boards: list[list[Comparison]]) -> tuple[float, float]:
    """The share of the ratings' intervals that hold the truth, and of the boards whose neighbours all do."""
    true = {f"p{place:02}": AVERAGE + POINTS * strength for place, strength in enumerate(world.strengths())}
    held, together = [], []
    for votes in boards:
        (group,) = leaderboard(votes).groups
        held += [(s.rating_low or 0) <= true[s.player] <= (s.rating_high or 0) for s in group.standings]
        together.append(all(p.low <= true[p.better] - true[p.worse] <= p.high for p in group.neighbours))
    return float(np.mean(held)), float(np.mean(together))


@pytest.mark.parametrize("raters", [4, 60])
def test_intervals_hold_the_truth(raters: int) -> None:
    world = World(players=8, votes=800, raters=raters)
    single, together = coverage(world, [board(world, seed) for seed in range(100)])
    assert 0.93 < single < 0.985
    assert together >= 0.93


@pytest.mark.slow
def test_intervals_allow_for_tastes() -> None:
    """Each of 60 raters likes each player more or less: the votes say less about people in general."""
    world = World(players=8, votes=3_000, taste=0.6)
    boards = [board(world, seed) for seed in range(60)]
    single, _ = coverage(world, boards)
    alone, _ = coverage(world, [[replace(vote, rater_id="one") for vote in votes] for votes in boards])
    assert single > 0.9
    assert alone < single - 0.05


@pytest.mark.slow
def test_pairs_of_a_ranking_are_not_independent_votes() -> None:
    """With the weight 2/N, N players' N(N-1)/2 pairs give intervals that hold."""
    single, together = coverage(World(), [clean("rankings of four", seed) for seed in range(20)])
    assert single > 0.93
    assert together >= 0.9
