"""The output: ratings, verdicts, effects and findings, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether the votes suffice to tell a player's place."""

    SEPARABLE = "separable"
    NOT_YET_SEPARABLE = "not_yet_separable"
    TOO_FEW_VOTES = "too_few_votes"


class ClusteredBy(StrEnum):
    """What the intervals allow for: votes of one judgement, or all votes of one rater, depend on each other."""

    JUDGEMENT = "judgement"  # the result holds for these raters
    RATER = "rater"  # the result holds for people like these raters


class Defect(StrEnum):
    """What can be wrong with a board."""

    POSITION_BIAS = "position_bias"
    LENGTH_BIAS = "length_bias"
    FLOODING = "flooding"
    CYCLE = "cycle"
    COPIED_VOTES = "copied_votes"
    ONE_SIDED_TIES = "one_sided_ties"
    POSSIBLY_RENAMED = "possibly_renamed"
    TOO_FEW_VOTES = "too_few_votes"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect: `message` in English for people; `players`, `rater` and `figures` for translations of it."""

    defect: Defect
    message: str
    figures: Mapping[str, float]
    players: tuple[str, ...] = ()
    rater: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """One player. Ratings are on a scale like Elo's: the group's average is 1000, 400 points are odds of ten to one."""

    player: str
    rank: int | None  # within its group; None with too few votes
    rank_best: int | None  # no better and no worse place than these is compatible with the votes
    rank_worst: int | None
    rating: float | None  # None if it was never compared with another player
    rating_low: float | None  # 95 % interval of this rating alone
    rating_high: float | None
    wins: int
    losses: int
    ties: int
    both_bad: int
    both_bad_rate: float  # share of all its votes
    raters: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class NeighbourPair:
    """Two players with adjacent ranks. The interval is simultaneous: 95 % for all pairs of the group together."""

    better: str
    worse: str
    difference: float  # points
    low: float
    high: float
    win_probability: float  # that `better` wins a decided vote, at equal length
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Group:
    """Players connected by comparisons, best first. Ratings of different groups can't be compared."""

    standings: tuple[Standing, ...]
    neighbours: tuple[NeighbourPair, ...]
    win_probabilities: tuple[tuple[float, ...], ...]  # [i][j]: standing i wins a decided vote against j; 0.5 if i is j


@dataclass(frozen=True, slots=True)
class Effect:
    """How much something other than the model decides votes, with a 95 % interval.

    `coefficient` is in log-odds: of the reply shown first (position), or per unit of the logarithm of the ratio of
    lengths (length). `win_share` is the same in words: of equally good replies, the one shown first, or the one twice
    as long, wins this share of decided votes.
    """

    coefficient: float
    low: float
    high: float
    win_share: float
    votes: int  # that say something about it


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the comparisons given."""

    given: int
    filtered_out: int
    self_pairs: int  # both replies by the same player
    copies: int  # of votes that count once
    both_bad: int
    used: int  # for ratings: all others


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The whole result."""

    groups: tuple[Group, ...]  # largest first
    position: Effect | None  # None if no two replies were shown side by side, or it wasn't asked for
    length: Effect | None
    clustered_by: ClusteredBy
    findings: tuple[Finding, ...]
    counts: Counts
