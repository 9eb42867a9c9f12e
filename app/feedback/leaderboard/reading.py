"""Reads comparisons into votes, in an order that does not depend on the order in which they come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.feedback.leaderboard.comparison import Filter, Outcome
from app.feedback.leaderboard.result import Counts
from app.feedback.leaderboard.table import RESULTS, Table
from app.feedback.leaderboard.votes import Ints, Votes

_BOTH_BAD = RESULTS[Outcome.BOTH_BAD]


def read(table: Table, where: Filter) -> tuple[Votes, Counts]:
    """Filter, sort; leave out self-pairs and copies. An impossible weight or length is a :class:`ValueError`.

    A copy is the same vote (rater, prompt, players, lengths, positions, outcome) in another judgement, as left by a
    file that was imported twice. It counts once. Rows of one judgement are never copies of each other.
    """
    rows = table.passing(where)
    votes = _votes(table, rows)
    if not (votes.weight > 0).all() or not np.isfinite(votes.weight).all():
        raise ValueError("The weight of a comparison must be positive and finite.")
    if (votes.left_length < 0).any() or (votes.right_length < 0).any():
        raise ValueError("The length of a reply can't be negative.")
    return _clean(votes, table.prompt[rows], len(table))


def _votes(table: Table, rows: Ints) -> Votes:
    """Some rows with `left` at most `right`, and the players and raters that occur in them."""
    players, (left, right) = _in_order(table.players, table.left[rows], table.right[rows])
    raters, (rater,) = _in_order(table.raters, table.rater[rows])
    result, position = table.result[rows], table.position[rows]
    left_length, right_length = table.left_length[rows], table.right_length[rows]
    swapped = left > right
    return Votes(
        players=players,
        raters=raters,
        left=np.where(swapped, right, left),
        right=np.where(swapped, left, right),
        result=np.where(swapped & (result != _BOTH_BAD), -result, result),
        position=np.where(swapped, -position, position),
        left_length=np.where(swapped, right_length, left_length),
        right_length=np.where(swapped, left_length, right_length),
        rater=rater,
        judgement=table.judgement[rows],
        weight=table.weight[rows],
        time=table.time[rows],
        both_bad=np.zeros(len(players), np.int64),
        copies=np.zeros(len(raters), np.int64),
    )


def _in_order(names: tuple[str, ...], *columns: Ints) -> tuple[tuple[str, ...], list[Ints]]:
    """The names that occur in some columns, sorted, and the columns as places in them."""
    occur = sorted(np.unique(np.concatenate(columns)).tolist(), key=names.__getitem__)
    places = np.zeros(len(names), np.int64)
    places[occur] = np.arange(len(occur))
    return tuple(names[number] for number in occur), [places[column] for column in columns]


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
