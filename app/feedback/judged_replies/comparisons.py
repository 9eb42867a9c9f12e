"""What the leaderboard compares: pairs of replies by players, from rankings and from thumbs.

- Rankings give their pairs. Where a rater ranked two replies more than once, the latest order counts.
- A rater's thumbs on the replies to one prompt are a ranking with two places. It gives the pairs of one reply rated up
  and one rated down; equal thumbs are no tie, since nobody compared these replies. Who has also ranked two replies has
  said it more precisely there.
- A judgement of N replies gives each pair the weight 2/N, see :class:`~app.feedback.leaderboard.comparison.Comparison`.
- As in :mod:`app.domain.derivation`: only finished replies to the same prompt, with consent, not excluded by a review.

Both replies may be by the same player: the leaderboard counts such pairs, and leaves them out.
"""

from __future__ import annotations

import numpy as np

from app.feedback.judged_replies.columns import NONE, Columns, Flags, Floats, Ints
from app.feedback.judged_replies.mirror import Judged
from app.feedback.judged_replies.pairs import Pairs, different_pairs, places, ranked_pairs, thumb_pairs
from app.feedback.leaderboard.comparison import Outcome
from app.feedback.leaderboard.table import RESULTS, Table

RATINGS = "ratings"  # the source of a pair of thumbs


def comparisons(judged: Judged) -> Table:
    """All comparisons."""
    replies = judged.replies
    ranked, thumbs = ranked_pairs(judged), thumb_pairs(judged)
    left, right = (np.concatenate([getattr(pairs, side) for pairs in (ranked, thumbs)]) for side in ("left", "right"))
    is_ranked = np.arange(len(left)) < len(ranked.left)
    judgement = _judgements(replies, left, right, thumbs, is_ranked)
    time = np.maximum(replies.time[left], replies.time[right])
    weight = np.concatenate([_weights(ranked), _weights(thumbs)])
    rows = _latest(replies, left, right, (judgement, time, is_ranked))
    left, right, is_ranked = left[rows], right[rows], is_ranked[rows]
    result = np.where(is_ranked, _results(replies, left, right), RESULTS[Outcome.LEFT])
    ratings = len(judged.names["kind"])
    return Table(
        players=judged.names["player"],
        raters=judged.names["rater"],
        languages=judged.names["language"],
        sources=(*judged.names["kind"], RATINGS),
        left=replies.player[left].astype(np.int64),
        right=replies.player[right].astype(np.int64),
        result=result,
        position=_positions(replies, left, right),
        left_length=replies.characters[left].astype(np.int64),
        right_length=replies.characters[right].astype(np.int64),
        rater=replies.rater[left].astype(np.int64),
        judgement=judgement[rows],
        prompt=places(replies.prompt[left]),
        weight=weight[rows],
        time=time[rows],
        language=replies.language[left].astype(np.int64),
        source=np.where(is_ranked, replies.kind[left], ratings).astype(np.int64),
        blind=replies.blind[left] & is_ranked,
    )


def _judgements(replies: Columns, left: Ints, right: Ints, thumbs: Pairs, is_ranked: Flags) -> Ints:
    """A number for each pair's judgement, in the order of the ids. Thumbs for one prompt get that of the latest one."""
    numbers = places(replies.judgement)
    later = np.where(replies.time[right] > replies.time[left], right, left)
    found = numbers[later]
    group = places(thumbs.group)
    latest = np.zeros(int(group.max(initial=-1)) + 1, np.int64)
    np.maximum.at(latest, group, found[~is_ranked])
    found[~is_ranked] = latest[group]
    return found


def _weights(pairs: Pairs) -> Floats:
    """2/N for the pairs of a group of N replies."""
    group = places(pairs.group)
    members = different_pairs(np.concatenate([group, group]), np.concatenate([pairs.left, pairs.right]))
    return 2 / np.bincount(members)[group]


def _latest(replies: Columns, left: Ints, right: Ints, said: tuple[Ints, Floats, Flags]) -> Ints:
    """The pairs that count of those with the same rater and replies: of rankings before thumbs, the latest."""
    judgement, time, is_ranked = said
    message = places(replies.message)
    one, other = np.minimum(message[left], message[right]), np.maximum(message[left], message[right])
    order = np.lexsort((judgement, time, is_ranked, other, one, replies.rater[left]))
    keys = np.stack([replies.rater[left], one, other])[:, order]
    is_last = np.ones(len(order), np.bool_)
    is_last[:-1] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    return order[is_last]


def _results(replies: Columns, left: Ints, right: Ints) -> Ints:
    ranks = replies.rank[left], replies.rank[right]
    neither = replies.both_bad[left] | (ranks[0] == NONE) | (ranks[1] == NONE)
    return np.where(neither, RESULTS[Outcome.BOTH_BAD], np.sign(ranks[1].astype(np.int64) - ranks[0]))


def _positions(replies: Columns, left: Ints, right: Ints) -> Ints:
    """1: left was shown first, -1: right was, 0: not side by side."""
    at = replies.position[left], replies.position[right]
    return np.where((at[0] == NONE) | (at[1] == NONE), 0, np.where(at[0] < at[1], 1, -1))
