"""Boards of synthetic votes whose truth is known, clean or with a planted defect; for the benchmark and the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from app.feedback.leaderboard.comparison import Comparison, Outcome

Floats = NDArray[np.float64]
Votes = list[Comparison]

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 90
_OUTCOMES = (Outcome.LEFT, Outcome.TIE, Outcome.RIGHT)


@dataclass(frozen=True, slots=True)
class World:
    """How people vote. Players are called p00, p01, …, the strongest first."""

    players: int = 20
    votes: int = 8_000
    raters: int = 60
    spread: float = 0.7  # standard deviation of the strengths, log-odds
    tie: float = -0.4  # Davidson's δ: about a quarter of the votes between equals
    both_bad: float = 0.08
    position: float = 0.0  # advantage of the reply shown first, log-odds
    length: float = 0.0  # log-odds per unit of the logarithm of the ratio of lengths
    taste: float = 0.0  # standard deviation of what each rater adds to each player's strength

    def strengths(self) -> Floats:
        """Of all players, strongest first: evenly spaced quantiles of a normal distribution."""
        shares = 1 - (np.arange(self.players) + 0.5) / self.players
        return self.spread * np.array([NormalDist().inv_cdf(share) for share in shares])


def board(world: World, seed: int) -> Votes:
    """Votes of a world: uneven numbers per player and per rater, four fifths side by side, in order of time."""
    random = np.random.default_rng(seed)
    strengths, n = world.strengths(), world.votes
    popularity = random.dirichlet(np.full(world.players, 5.0))
    activity = random.dirichlet(np.full(world.raters, 2.0))
    left = random.choice(world.players, n, p=popularity)
    right = (left + random.integers(1, world.players, n)) % world.players
    rater = random.choice(world.raters, n, p=activity)
    verbosity = random.normal(6, 0.3, world.players)  # of each player: the logarithm of its usual length
    lengths = np.exp(verbosity[np.stack([left, right])] + random.normal(0, 0.5, (2, n))).astype(int) + 1
    position = random.choice([0, 1, -1], n, p=[0.4, 0.4, 0.2])  # -1: not side by side
    first = np.select([position == 0, position == 1], [1.0, -1.0], 0.0)
    taste = (
        random.normal(0, world.taste, (world.raters, world.players)) if world.taste else np.zeros((1, world.players))
    )
    judged = strengths + taste[rater % len(taste)]
    rows = np.arange(n)
    logit = judged[rows, left] - judged[rows, right] + world.position * first
    logit = logit + world.length * np.log(lengths[0] / lengths[1])
    odds = np.exp(np.stack([logit / 2, np.full(n, world.tie), -logit / 2]))
    drawn = (random.random(n) > np.cumsum(odds / odds.sum(axis=0), axis=0)).sum(axis=0).clip(0, 2)
    bad = random.random(n) < world.both_bad
    seconds = np.sort(random.uniform(0, DAYS * 86_400, n))
    return [
        Comparison(
            judgement_id=f"j{row}",
            rater_id=f"r{rater[row]:03}",
            prompt_id=f"q{row}",
            left=f"p{left[row]:02}",
            right=f"p{right[row]:02}",
            outcome=Outcome.BOTH_BAD if bad[row] else _OUTCOMES[drawn[row]],
            at=BEGIN + timedelta(seconds=float(seconds[row])),
            left_position_shown=None if position[row] < 0 else int(position[row]),
            left_length=int(lengths[0, row]),
            right_length=int(lengths[1, row]),
            blind=bool(position[row] >= 0),
            language=("zh", "en")[row % 2],
        )
        for row in range(n)
    ]


def winner(vote: Comparison, player: str) -> Comparison:
    """The vote with `player` as the winner."""
    return replace(vote, outcome=Outcome.LEFT if vote.left == player else Outcome.RIGHT)


def between(vote: Comparison, *players: str) -> bool:
    """Whether both players of a vote are among these."""
    return vote.left in players and vote.right in players


def _flooding(votes: Votes, random: np.random.Generator) -> Votes:
    """One rater gives a third of the votes and prefers the weaker player."""
    flood = random.random(len(votes)) < 1 / 3
    return [
        winner(replace(vote, rater_id="flooder"), max(vote.left, vote.right)) if flooded else vote
        for vote, flooded in zip(votes, flood, strict=True)
    ]


def _favourite(votes: Votes, random: np.random.Generator) -> Votes:
    """One rater gives an eighth of the votes, all for p12, whatever it is compared with."""
    return [
        winner(replace(vote, rater_id="fan", left="p12"), "p12")
        if vote.right != "p12" and random.random() < 1 / 8
        else vote
        for vote in votes
    ]


def _cycle(votes: Votes, random: np.random.Generator) -> Votes:
    """p05 beats p06, p06 beats p07, and p07 beats p05, in four fifths of their votes."""
    beats = {("p05", "p06"): "p05", ("p06", "p07"): "p06", ("p05", "p07"): "p07"}
    cycled = []
    for vote in votes:
        first, second = sorted((vote.left, vote.right))
        favoured = beats.get((first, second))
        if favoured is None:
            cycled.append(vote)
        else:
            cycled.append(winner(vote, favoured if random.random() < 0.8 else first if favoured == second else second))
    return cycled


def _copies(votes: Votes, random: np.random.Generator) -> Votes:
    """A tenth of the votes comes from a file that was imported four times."""
    file = [vote for vote in votes if random.random() < 0.1]
    return votes + [replace(vote, judgement_id=f"{vote.judgement_id}-{n}") for vote in file for n in range(3)]


def _ties(votes: Votes, random: np.random.Generator) -> Votes:
    """Three of five losses of p04 are recorded as ties."""
    return [
        replace(vote, outcome=Outcome.TIE) if _loses(vote, "p04") and random.random() < 0.6 else vote for vote in votes
    ]


def _second_wins_are_ties(votes: Votes, random: np.random.Generator) -> Votes:
    """Half of the wins of the reply that is shown second are recorded as ties."""
    return [
        replace(vote, outcome=Outcome.TIE) if _second_wins(vote) and random.random() < 0.5 else vote for vote in votes
    ]


def _loses(vote: Comparison, player: str) -> bool:
    return (vote.left == player and vote.outcome is Outcome.RIGHT) or (
        vote.right == player and vote.outcome is Outcome.LEFT
    )


def _second_wins(vote: Comparison) -> bool:
    return (vote.left_position_shown == 0 and vote.outcome is Outcome.RIGHT) or (
        vote.left_position_shown == 1 and vote.outcome is Outcome.LEFT
    )


def _renamed(votes: Votes, random: np.random.Generator) -> Votes:
    """p03 is called p03-v2 from the middle on."""
    middle = BEGIN + timedelta(days=DAYS / 2)

    def name(vote: Comparison, player: str) -> str:
        return "p03-v2" if player == "p03" and vote.at >= middle else player

    return [replace(vote, left=name(vote, vote.left), right=name(vote, vote.right)) for vote in votes]


def _few(votes: Votes, random: np.random.Generator) -> Votes:
    """Only eight votes about p09."""
    kept, about = [], 0
    for vote in votes:
        concerned = "p09" in (vote.left, vote.right)
        about += concerned and vote.outcome is not Outcome.BOTH_BAD
        if not concerned or about <= 8:
            kept.append(vote)
    return kept


def _disconnected(votes: Votes, random: np.random.Generator) -> Votes:
    """Nobody compares p00 … p09 with the others."""
    return [vote for vote in votes if (vote.left < "p10") == (vote.right < "p10")]


def _heavy(votes: Votes, random: np.random.Generator) -> Votes:
    """One rater gives more than two fifths of the votes, but judges like everybody."""
    return [replace(vote, rater_id="heavy") if random.random() < 0.42 else vote for vote in votes]


def _flat_ties(votes: Votes, random: np.random.Generator) -> Votes:
    """A quarter of the votes are ties, however far apart the players are: not as in Davidson's model."""
    rated = (replace(v, outcome=random.choice(_OUTCOMES[::2])) if v.outcome is Outcome.TIE else v for v in votes)
    return [replace(vote, outcome=Outcome.TIE) if random.random() < 0.25 else vote for vote in rated]


def _turnover(votes: Votes, random: np.random.Generator) -> Votes:
    """Players come and go: each is there for three weeks to three months."""
    begin = {name: random.uniform(-45, 60) for name in sorted({vote.left for vote in votes})}
    end = {name: max(day, 0.0) + random.uniform(20, 90) for name, day in begin.items()}

    def there(name: str, at: datetime) -> bool:
        return begin[name] <= (at - BEGIN) / timedelta(days=1) <= end[name]

    return [vote for vote in votes if there(vote.left, vote.at) and there(vote.right, vote.at)]


def _rankings(votes: Votes, random: np.random.Generator) -> Votes:
    """Rankings of four by the same strengths (Plackett and Luce's model), as pairs, in place of the votes."""
    strengths, pairs = World().strengths(), []
    for number, vote in enumerate(votes[: len(votes) // 4]):
        four = random.choice(len(strengths), 4, replace=False)
        order = four[np.argsort(-strengths[four] - random.gumbel(size=4))]
        lengths = np.exp(random.normal(6, 0.5, 4)).astype(int)
        for better, worse in combinations(range(4), 2):
            pair = replace(
                vote,
                judgement_id=f"k{number}",
                left=f"p{order[better]:02}",
                right=f"p{order[worse]:02}",
                outcome=Outcome.LEFT,
                left_position_shown=None,
                left_length=int(lengths[better]),
                right_length=int(lengths[worse]),
                weight=2 / 4,
            )
            pairs.append(pair)
    return pairs


Plant = Callable[[Votes, np.random.Generator], Votes]

# By the defect that has to be found: the world, and what is done to its votes.
PLANTED: dict[str, tuple[World, Plant | None]] = {
    "position_bias": (World(position=0.4), None),
    "length_bias": (World(length=0.5), None),
    "flooding": (World(), _flooding),
    "flooding (one favourite)": (World(), _favourite),
    "cycle": (World(), _cycle),
    "copied_votes": (World(), _copies),
    "one_sided_ties": (World(), _ties),
    "one_sided_ties (side)": (World(), _second_wins_are_ties),
    "possibly_renamed": (World(), _renamed),
    "too_few_votes": (World(), _few),
    "disconnected": (World(), _disconnected),
}


def planted(name: str, seed: int) -> Votes:
    """A board with one of the defects."""
    return _made(*PLANTED[name], seed)


# Boards without a defect, from which nothing may be reported.
CLEAN: dict[str, tuple[World, Plant | None]] = {
    "usual": (World(), None),
    "few people": (World(players=6, votes=300, raters=4), None),
    "two people": (World(players=3, votes=90, raters=2), None),
    "far apart": (World(spread=1.8), None),
    "tastes": (World(taste=0.3), None),
    "one eager rater": (World(), _heavy),
    "rankings of four": (World(), _rankings),
    "ties everywhere": (World(), _flat_ties),
    "turnover": (World(votes=16_000), _turnover),
}


def clean(name: str, seed: int) -> Votes:
    """A board without a defect."""
    return _made(*CLEAN[name], seed)


def _made(world: World, plant: Plant | None, seed: int) -> Votes:
    votes = board(world, seed)
    return votes if plant is None else plant(votes, np.random.default_rng(seed + 1_000_000))
