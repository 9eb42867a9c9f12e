"""Comparisons as columns of numbers, in an order that does not depend on the order in which they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from app.feedback.leaderboard.comparison import Comparison, Filter, Outcome
from app.feedback.leaderboard.result import Counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_RESULTS = {Outcome.LEFT: 1, Outcome.RIGHT: -1, Outcome.TIE: 0, Outcome.BOTH_BAD: 9}
_BOTH_BAD = _RESULTS[Outcome.BOTH_BAD]
_POSITIONS = {0: 1, 1: -1, None: 0}
_CHUNK = 10_000  # comparisons that are objects at a time


@dataclass(frozen=True, slots=True)
class Votes:
    """One row per comparison with a preference or a tie, all of shape (n,). `left` is below `right`."""

    players: tuple[str, ...]  # by index, sorted
    raters: tuple[str, ...]
    left: Ints  # index of a player
    right: Ints
    result: Ints  # 1: left is better, -1: right is, 0: tie
    position: Ints  # 1: left was shown first, -1: right was, 0: not side by side
    left_length: Ints  # characters
    right_length: Ints
    rater: Ints  # index of a rater
    judgement: Ints  # the same number for the pairs of one judgement
    weight: Floats
    time: Floats  # seconds since 1970
    both_bad: Ints  # shape (players,): votes for neither
    copies: Ints  # shape (raters,): votes left out because they are copies

    def __len__(self) -> int:
        return len(self.left)

    def subset(self, rows: Flags | Ints) -> Votes:
        """The same players and raters with some of the rows."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    def per_player(self, values: Floats | Flags) -> Floats:
        """The sum of a value of each row over the rows of each player."""
        return sums(self.left, values, len(self.players)) + sums(self.right, values, len(self.players))

    def per_pair(self, values: Floats | Flags) -> Floats:
        """The sum over the rows of each pair, shape (players, players): [left, right]."""
        size = len(self.players)
        return sums(self.left * size + self.right, values, size**2).reshape(size, size)


_COLUMNS = (
    *("left", "right", "result", "position", "left_length", "right_length"),
    *("rater", "judgement", "weight", "time"),
)


def sums(index: Ints, values: Floats | Flags, size: int) -> Floats:
    """The sum of the values with each index, shape (size,)."""
    return np.asarray(np.bincount(index, values, size), np.float64)


class _Names(dict[str, int]):
    """Numbers strings in the order in which they come."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number

    def in_order(self) -> tuple[tuple[str, ...], Ints]:
        """All strings sorted, and the place of each number among them."""
        names = sorted(self)
        places = np.empty(len(names), np.int64)
        places[[self[name] for name in names]] = np.arange(len(names))
        return tuple(names), places


def read(comparisons: Iterable[Comparison], where: Filter) -> tuple[Votes, Counts]:
    """Read, filter, sort; leave out self-pairs and copies. An impossible weight or length is a :class:`ValueError`.

    A copy is the same vote (rater, prompt, players, lengths, positions, outcome) in another judgement, as left by a
    file that was imported twice. It counts once. Rows of one judgement are never copies of each other.
    """
    players, raters, judgements, prompts = _Names(), _Names(), _Names(), _Names()
    chunks: list[tuple[Ints, Floats]] = []
    given = 0
    for chunk in _chunks(comparisons):
        given += len(chunk)
        kept = [c for c in chunk if where.keeps(c)]
        whole = (
            [players[c.left] for c in kept],
            [players[c.right] for c in kept],
            [_RESULTS[c.outcome] for c in kept],
            [_POSITIONS[c.left_position_shown] for c in kept],
            [c.left_length for c in kept],
            [c.right_length for c in kept],
            [raters[c.rater_id] for c in kept],
            [judgements[c.judgement_id] for c in kept],
            [prompts[c.prompt_id] for c in kept],
        )
        chunks.append((np.array(whole, np.int64), np.array([[c.weight, c.at.timestamp()] for c in kept], np.float64)))
    whole_columns = np.concatenate([np.empty((9, 0), np.int64), *(chunk for chunk, _ in chunks)], axis=1)
    weight, time = np.concatenate([np.empty((0, 2)), *(chunk.reshape(-1, 2) for _, chunk in chunks)]).T
    if not (weight > 0).all() or not np.isfinite(weight).all():
        raise ValueError("The weight of a comparison must be positive and finite.")
    left, right, result, position, left_length, right_length, rater, judgement, prompt = whole_columns
    if (left_length < 0).any() or (right_length < 0).any():
        raise ValueError("The length of a reply can't be negative.")
    player_names, player_places = players.in_order()
    rater_names, rater_places = raters.in_order()
    left, right = player_places[left], player_places[right]
    swapped = left > right
    votes = Votes(
        players=player_names,
        raters=rater_names,
        left=np.where(swapped, right, left),
        right=np.where(swapped, left, right),
        result=np.where(swapped & (result != _BOTH_BAD), -result, result),
        position=np.where(swapped, -position, position),
        left_length=np.where(swapped, right_length, left_length),
        right_length=np.where(swapped, left_length, right_length),
        rater=rater_places[rater],
        judgement=judgements.in_order()[1][judgement],
        weight=weight,
        time=time,
        both_bad=np.zeros(len(player_names), np.int64),
        copies=np.zeros(len(rater_names), np.int64),
    )
    return _clean(votes, prompts.in_order()[1][prompt], given)


def _chunks(comparisons: Iterable[Comparison]) -> Iterator[list[Comparison]]:
    source = iter(comparisons)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


def _clean(votes: Votes, prompt: Ints, given: int) -> tuple[Votes, Counts]:
    """Sort the rows, and leave out self-pairs, copies and votes for neither, which are counted."""
    same = (votes.left, votes.right, votes.result, votes.position, votes.left_length, votes.right_length, votes.rater)
    order = np.lexsort((votes.judgement, votes.time, votes.weight, prompt, *reversed(same)))
    repeats = np.zeros(len(votes), bool)
    if len(votes):
        keys = np.stack([*same, prompt])[:, order]
        begins = np.concatenate([[True], (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
        first_judgement = votes.judgement[order][begins][np.cumsum(begins) - 1]
        repeats = first_judgement != votes.judgement[order]
    votes = votes.subset(order)
    self_pair = votes.left == votes.right
    copies = repeats & ~self_pair
    neither = (votes.result == _BOTH_BAD) & ~self_pair & ~copies
    used = ~self_pair & ~copies & ~neither
    both_bad = votes.subset(neither).per_player(np.ones(neither.sum())).astype(np.int64)
    counts = Counts(
        given=given,
        filtered_out=given - len(votes),
        self_pairs=int(self_pair.sum()),
        copies=int(copies.sum()),
        both_bad=int(neither.sum()),
        used=int(used.sum()),
    )
    copies_of = np.bincount(votes.rater[copies], minlength=len(votes.raters))
    return replace(votes.subset(used), both_bad=both_bad, copies=copies_of), counts
