"""Reads comparisons into columns, in an order that does not depend on the order in which they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from app.feedback.leaderboard.comparison import Comparison, Filter, Outcome
from app.feedback.leaderboard.result import Counts
from app.feedback.leaderboard.votes import Floats, Ints, Votes

_RESULTS = {Outcome.LEFT: 1, Outcome.RIGHT: -1, Outcome.TIE: 0, Outcome.BOTH_BAD: 9}
_BOTH_BAD = _RESULTS[Outcome.BOTH_BAD]
_POSITIONS = {0: 1, 1: -1, None: 0}
_CHUNK = 10_000  # comparisons that are objects at a time


def read(comparisons: Iterable[Comparison], where: Filter) -> tuple[Votes, Counts]:
    """Read, filter, sort; leave out self-pairs and copies. An impossible weight or length is a :class:`ValueError`.

    A copy is the same vote (rater, prompt, players, lengths, positions, outcome) in another judgement, as left by a
    file that was imported twice. It counts once. Rows of one judgement are never copies of each other.
    """
    columns, given = _Columns(), 0
    for chunk in _chunks(comparisons):
        given += len(chunk)
        columns.add([comparison for comparison in chunk if where.keeps(comparison)])
    votes, prompt = columns.joined()
    if not (votes.weight > 0).all() or not np.isfinite(votes.weight).all():
        raise ValueError("The weight of a comparison must be positive and finite.")
    if (votes.left_length < 0).any() or (votes.right_length < 0).any():
        raise ValueError("The length of a reply can't be negative.")
    return _clean(votes, prompt, given)


def _chunks(comparisons: Iterable[Comparison]) -> Iterator[list[Comparison]]:
    source = iter(comparisons)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


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


@dataclass(slots=True)
class _Columns:
    """Rows so far."""

    players: _Names = field(default_factory=_Names)
    raters: _Names = field(default_factory=_Names)
    judgements: _Names = field(default_factory=_Names)
    prompts: _Names = field(default_factory=_Names)
    whole: list[Ints] = field(default_factory=lambda: [np.empty((9, 0), np.int64)])
    real: list[Floats] = field(default_factory=lambda: [np.empty((2, 0))])

    def add(self, comparisons: list[Comparison]) -> None:
        """Append some rows."""
        whole = (
            [self.players[c.left] for c in comparisons],
            [self.players[c.right] for c in comparisons],
            [_RESULTS[c.outcome] for c in comparisons],
            [_POSITIONS[c.left_position_shown] for c in comparisons],
            [c.left_length for c in comparisons],
            [c.right_length for c in comparisons],
            [self.raters[c.rater_id] for c in comparisons],
            [self.judgements[c.judgement_id] for c in comparisons],
            [self.prompts[c.prompt_id] for c in comparisons],
        )
        real = ([c.weight for c in comparisons], [c.at.timestamp() for c in comparisons])
        self.whole.append(np.array(whole, np.int64))
        self.real.append(np.array(real, np.float64))

    def joined(self) -> tuple[Votes, Ints]:
        """All rows with `left` at most `right`, and their prompts."""
        columns = np.concatenate(self.whole, axis=1)
        left, right, result, position, left_length, right_length, rater, judgement, prompt = columns
        weight, time = np.concatenate(self.real, axis=1)
        players, places = self.players.in_order()
        raters, rater_places = self.raters.in_order()
        left, right = places[left], places[right]
        swapped = left > right
        votes = Votes(
            players=players,
            raters=raters,
            left=np.where(swapped, right, left),
            right=np.where(swapped, left, right),
            result=np.where(swapped & (result != _BOTH_BAD), -result, result),
            position=np.where(swapped, -position, position),
            left_length=np.where(swapped, right_length, left_length),
            right_length=np.where(swapped, left_length, right_length),
            rater=rater_places[rater],
            judgement=self.judgements.in_order()[1][judgement],
            weight=weight,
            time=time,
            both_bad=np.zeros(len(players), np.int64),
            copies=np.zeros(len(raters), np.int64),
        )
        return votes, self.prompts.in_order()[1][prompt]


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
