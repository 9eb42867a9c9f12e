from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from app.feedback.leaderboard.comparison import Comparison, Filter, Outcome
from app.feedback.leaderboard.compute import leaderboard
from app.feedback.leaderboard.result import Verdict
from benchmarks.arena_rank import rate
from benchmarks.synthetic_votes import PLANTED, World, board, clean, planted

MIRRORED = {Outcome.LEFT: Outcome.RIGHT, Outcome.RIGHT: Outcome.LEFT}


def mirror(vote: Comparison) -> Comparison:
    """The same vote with left and right exchanged."""
    shown = vote.left_position_shown
    return replace(
        vote,
        left=vote.right,
        right=vote.left,
        left_length=vote.right_length,
        right_length=vote.left_length,
        left_position_shown=None if shown is None else 1 - shown,
        outcome=MIRRORED.get(vote.outcome, vote.outcome),
    )


@pytest.mark.parametrize(
    "votes",
    [planted(name, 3) for name in PLANTED] + [clean("rankings of four", 3), clean("turnover", 3)],
    ids=[*PLANTED, "rankings", "turnover"],
)
def test_the_order_of_the_rows_changes_no_bit(votes: list[Comparison]) -> None:
    expected = leaderboard(votes)
    shuffled = [vote if n % 3 else mirror(vote) for n, vote in enumerate(votes)]
    random.Random(0).shuffle(shuffled)
    assert leaderboard(iter(shuffled)) == expected
    assert leaderboard(reversed(votes)) == expected


def test_votes_that_differ_in_their_weight_or_judgement_only_change_no_bit_either() -> None:
    votes = board(World(players=4, votes=3_000, raters=5), 0)
    chance = random.Random(1)
    plain = [
        replace(vote, left_length=0, right_length=0, weight=chance.choice([0.3, 2 / 3, 1.0]), judgement_id=f"j{n // 3}")
        for n, vote in enumerate(votes)
    ]
    expected = leaderboard(plain)
    for _ in range(3):
        chance.shuffle(plain)
        assert leaderboard(plain) == expected


def test_a_filter_is_the_same_as_leaving_the_votes_out() -> None:
    votes = board(World(players=5, votes=1_000), 0)
    found = leaderboard(votes, Filter(language="zh"))
    alone = leaderboard([vote for vote in votes if vote.language == "zh"])
    assert found.groups == alone.groups
    assert (found.counts.given, found.counts.filtered_out) == (1_000, 500)


def test_control_takes_the_effect_of_length_out_of_the_ratings() -> None:
    """a and b are equal, but b writes three times as much and people like long replies."""
    votes = board(World(players=2, votes=20_000, spread=0.0, length=0.5), 0)
    votes = [replace(v, left_length=v.left_length * (1 + 2 * (v.left == "p01"))) for v in votes]
    votes = [replace(v, right_length=v.right_length * (1 + 2 * (v.right == "p01"))) for v in votes]
    wordy = [
        replace(v, outcome=Outcome.LEFT if v.left == "p01" else Outcome.RIGHT) if n % 3 == 0 else v
        for n, v in enumerate(votes)
    ]
    controlled, plain = leaderboard(wordy), leaderboard(wordy, control=frozenset({"position"}))
    assert controlled.length is not None
    assert plain.length is None
    assert plain.position is not None
    assert controlled.groups[0].neighbours[0].difference < plain.groups[0].neighbours[0].difference
    assert controlled.findings == plain.findings


def test_effects_have_intervals_that_hold_the_truth() -> None:
    held = 0
    for seed in range(40):
        result = leaderboard(board(World(players=5, votes=1_500, position=0.2, length=0.3), seed))
        assert result.position is not None
        assert result.length is not None
        held += result.position.low <= 0.2 <= result.position.high
        held += result.length.low <= 0.3 <= result.length.high
    assert held >= 72  # of 80; 76 expected


@pytest.mark.slow
def test_separable_players_are_in_the_true_order() -> None:
    world = World(players=20, votes=20_000)
    for seed in range(5):
        pairs = leaderboard(board(world, seed)).groups[0].neighbours
        assert all(p.better < p.worse for p in pairs if p.verdict is Verdict.SEPARABLE)


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_arena_ranks_published_method_gives_the_same_order(ridge: float) -> None:
    votes = board(World(players=10, votes=40_000), 0)
    (group,) = leaderboard(votes).groups
    assert [s.player for s in group.standings] == [rating.player for rating in rate(votes, ridge)]


def test_the_result_is_plain_json_data() -> None:
    for name in PLANTED:
        result = asdict(leaderboard(planted(name, 0)))
        assert result["findings"]
        assert json.loads(json.dumps(result))["counts"]["given"] > 0


def test_the_input_and_output_types_need_no_numpy() -> None:
    """The server imports them when it starts."""
    modules = "app.feedback.leaderboard.comparison, app.feedback.leaderboard.result"
    script = f"import sys, {modules}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
