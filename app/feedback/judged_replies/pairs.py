"""Pairs of judged replies: of one ranking, or rated up and down by one rater."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.feedback import Verdict
from app.feedback.judged_replies.columns import Flags, Ints
from app.feedback.judged_replies.mirror import Judged


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rows of the judged replies, shape (pairs,) each. `left` is only a name."""

    left: Ints
    right: Ints
    group: Ints  # equal numbers for pairs of one judgement, or of one rater's thumbs for one prompt

    def where(self, kept: Flags) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.left[kept], self.right[kept], self.group[kept])


def ranked_pairs(judged: Judged) -> Pairs:
    """All usable pairs of replies to the same prompt in one ranking, by the order of their messages' ids."""
    replies = judged.replies
    rows = np.flatnonzero(_usable(judged) & ~judged.thumbs)
    pairs = _within_groups(rows, (replies.judgement,), replies.message)
    return pairs.where(replies.prompt[pairs.left] == replies.prompt[pairs.right])


def thumb_pairs(judged: Judged) -> Pairs:
    """All usable pairs of which one rater has rated one up, `left`, and one down."""
    replies = judged.replies
    rows = np.flatnonzero(_usable(judged) & judged.thumbs & (replies.prompt_message != b""))
    pairs = _within_groups(rows, (replies.rater, replies.prompt_message, replies.prompt), replies.message)
    up = judged.of("kind", Verdict.UP)
    pairs = pairs.where(up[pairs.left] != up[pairs.right])
    first = up[pairs.left]
    return Pairs(np.where(first, pairs.left, pairs.right), np.where(first, pairs.right, pairs.left), pairs.group)


def _usable(judged: Judged) -> Flags:
    """Whether a reply can say something about its player, as for training: finished ones by models that count."""
    return judged.counted & judged.replies.complete & (judged.replies.player >= 0)


def _within_groups(rows: Ints, keys: tuple[NDArray[np.generic], ...], order: NDArray[np.generic]) -> Pairs:
    """All pairs of `rows` with equal keys; `left` comes first by `order`."""
    group = np.zeros(len(rows), np.int64)
    for key in keys:
        numbers = places(key[rows])
        group = places(group * (int(numbers.max(initial=0)) + 1) + numbers)
    sorting = np.lexsort((places(order[rows]), group))
    rows, group = rows[sorting], group[sorting]
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    first, distance = np.arange(len(rows)), 1
    while len(first := first[first + distance < len(rows)]):
        first = first[group[first] == group[first + distance]]  # whose group has a member at this distance
        left.append(first)
        right.append(first + distance)
        distance += 1
    one, other = np.concatenate(left), np.concatenate(right)
    return Pairs(rows[one], rows[other], group[one])


def different_pairs(one: Ints, other: Ints) -> Ints:
    """The first numbers of all different pairs of numbers from 0."""
    size = int(other.max(initial=0)) + 1
    return np.asarray(np.unique(one * size + other) // size)


def places(values: NDArray[np.generic]) -> Ints:
    """The place of each value among the different ones in order."""
    return np.asarray(np.unique(values, return_inverse=True)[1], np.int64)
