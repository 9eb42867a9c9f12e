"""The leaderboard on synthetic votes about 20 models whose true strengths are known.

How well the order and the intervals agree with the truth; how long 200,000 votes take; which planted defects are found
and how many clean boards raise a false alarm; and the same votes rated by arena-rank's published method. Aims: 95 % of
the intervals hold the truth; less than 2 s; every defect found, no alarm without one; the same order.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from app.feedback.leaderboard.compute import COVARIATES, leaderboard
from app.feedback.leaderboard.result import Leaderboard, Verdict
from app.feedback.leaderboard.standings import AVERAGE, POINTS
from benchmarks.arena_rank import RIDGE, rate
from benchmarks.report import Row, publish
from benchmarks.synthetic_votes import CLEAN, PLANTED, World, board, clean, planted

SIZES = (2_000, 8_000, 40_000)
LARGE = World(votes=200_000, raters=2_000, position=0.1, length=0.2)
RUNS = 5
_NO_EFFECT = 1e12  # a ridge


def truth(world: World) -> dict[str, float]:
    """The true ratings."""
    return {f"p{place:02}": AVERAGE + POINTS * float(strength) for place, strength in enumerate(world.strengths())}


def order(result: Leaderboard) -> list[str]:
    """The players of the largest group, best first."""
    return [standing.player for standing in result.groups[0].standings]


def correlation(one: list[str], other: list[str]) -> float:
    """Spearman's rank correlation of two orders of the same players."""
    places = [[names.index(name) for name in sorted(names)] for names in (one, other)]
    return statistics.correlation(*places)


def reversed_pairs(result: Leaderboard, true: dict[str, float]) -> int:
    """Neighbours that are called separable in the wrong order."""
    separable = (pair for pair in result.groups[0].neighbours if pair.verdict is Verdict.SEPARABLE)
    return sum(true[pair.better] < true[pair.worse] for pair in separable)


def accuracy(votes: int, boards: int, taste: float) -> Row:
    """Many boards of one size against the truth."""
    world = World(votes=votes, taste=taste, position=0.1, length=0.2)
    true, ideal = truth(world), list(truth(world))
    correlations, held, together, wrong, separable = [], [], [], 0, 0
    for seed in range(boards):
        result = leaderboard(board(world, seed))
        correlations.append(correlation(order(result), ideal))
        held += [
            s.rating_low <= true[s.player] <= s.rating_high
            for s in result.groups[0].standings
            if s.rating_low and s.rating_high
        ]
        pairs = result.groups[0].neighbours
        together.append(all(p.low <= true[p.better] - true[p.worse] <= p.high for p in pairs))
        separable += sum(p.verdict is Verdict.SEPARABLE for p in pairs)
        wrong += reversed_pairs(result, true)
    return {
        "votes": votes,
        "raters' tastes": taste,
        "boards": boards,
        "rank correlation": round(statistics.mean(correlations), 4),
        "intervals that hold %": round(100 * statistics.mean(held), 1),
        "boards whose neighbours all hold %": round(100 * statistics.mean(together), 1),
        "separable neighbours": separable,
        "in the wrong order": wrong,
    }


def speed() -> Row:
    """Seconds and memory of a large board."""
    votes = board(LARGE, 0)
    walls, cpus = [], []
    for _ in range(RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        leaderboard(votes)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    tracemalloc.start()
    leaderboard(votes)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "votes": len(votes),
        "models": LARGE.players,
        "median s": round(statistics.median(walls), 2),
        "longest s": round(max(walls), 2),
        "CPU s": round(statistics.median(cpus), 2),
        "peak MiB beside the votes": round(peak / 2**20),
    }


def defects(boards: int) -> list[Row]:
    """What is found on planted and on clean boards."""
    rows: list[Row] = []
    for kind, names in (("planted", PLANTED), ("clean", CLEAN)):
        for name in names:
            made = planted if kind == "planted" else clean
            found: Counter[str] = Counter()
            hits = alarms = 0
            for seed in range(boards):
                kinds = {finding.defect.value for finding in leaderboard(made(name, seed)).findings}
                hits += name.split(" (")[0] in kinds
                alarms += bool(kinds)
                found.update(kinds)
            said = ", ".join(f"{defect} {count}" for defect, count in found.most_common())
            rows.append(
                {
                    "board": kind,
                    "name": name,
                    "boards": boards,
                    "found": hits if kind == "planted" else "-",
                    "with a finding": alarms,
                    "findings": said or "-",
                }
            )
    return rows


def compared() -> list[Row]:
    """Our order and arena-rank's, of the same votes, with and without effects of length and position in them.

    `ridge`: of arena-rank's effect of length: its default, none, or so strong that neither method takes effects out.
    """
    rows: list[Row] = []
    for votes, effects in itertools.product((*SIZES, LARGE.votes), (False, True)):
        world = replace(LARGE, votes=votes) if effects else World(votes=votes, raters=LARGE.raters)
        cast, true = board(world, 0), list(truth(world))
        for ridge in (RIDGE, 0.0, math.inf):
            ours = leaderboard(cast, control=COVARIATES if ridge < math.inf else frozenset())
            theirs = [rating.player for rating in rate(cast, min(ridge, _NO_EFFECT))]
            swapped = list(_swapped(ours, theirs))
            separable = [p for p in ours.groups[0].neighbours if p.verdict is Verdict.SEPARABLE]
            rows.append(
                {
                    "votes": votes,
                    "effects": "yes" if effects else "no",
                    "ridge": ridge,
                    "same order": not swapped,
                    "pairs the other way round": len(swapped),
                    "points between them, at most": round(max(swapped, default=0.0), 1),
                    "mean width of intervals": round(statistics.mean(_widths(ours)), 1),
                    "separable neighbours": len(separable),
                    "of them reversed": sum(theirs.index(p.better) > theirs.index(p.worse) for p in separable),
                    "ours with the truth": round(correlation(order(ours), true), 4),
                    "its with the truth": round(correlation(theirs, true), 4),
                }
            )
    return rows


def _swapped(ours: Leaderboard, theirs: list[str]) -> Iterator[float]:
    """The points between two players of each pair that is the other way round."""
    rated = [(s.player, s.rating) for s in ours.groups[0].standings if s.rating is not None]
    for (better, high), (worse, low) in itertools.combinations(rated, 2):
        if theirs.index(better) > theirs.index(worse):
            yield abs(high - low)


def _widths(ours: Leaderboard) -> Iterator[float]:
    for standing in ours.groups[0].standings:
        if standing.rating_low is not None and standing.rating_high is not None:
            yield standing.rating_high - standing.rating_low


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boards", type=int, default=50, help="of each kind")
    boards = parser.parse_args(arguments).boards
    publish("leaderboard_speed", [speed()])
    publish("leaderboard_accuracy", [accuracy(votes, boards, taste) for taste in (0.0, 0.3) for votes in SIZES])
    publish("leaderboard_defects", defects(boards))
    publish("leaderboard_arena_rank", compared())


if __name__ == "__main__":
    main()
