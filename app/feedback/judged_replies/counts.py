"""Counts of judged replies for the statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import numpy as np

from app.domain.feedback import Verdict
from app.domain.feedback_counts import DayCount, FeedbackCounts, LengthCount, PairCount, PlayerCount
from app.feedback.judged_replies.columns import NONE, Flags, Ints, Texts
from app.feedback.judged_replies.mirror import Judged
from app.feedback.judged_replies.pairs import Pairs, different_pairs, places, ranked_pairs
from app.store.repositories.judged_replies import JudgedReplies

LENGTHS = (0, 200, 500, 1_000, 2_000, 4_000)  # characters
_DAY_S = 86_400

Patterns = tuple[tuple[Mapping[str, int], int], ...]


def counts(judged: Judged, store: JudgedReplies) -> FeedbackCounts:
    """Everything counted. What is not in a judged reply, the names of people and all replies, is asked of the store."""
    first = _first_of_each(judged.replies.judgement, ~judged.withheld)  # a row of each judgement
    counted = first[judged.counted[first]]
    pairs = ranked_pairs(judged)
    players = tuple(_players(judged, store.written()))
    written = [player for player in players if player.replies]
    raters = _by_name(judged, "rater", counted)
    names = store.names(raters)
    return FeedbackCounts(
        days=tuple(_days(judged, counted)),
        players=players,
        reasons=_reasons(judged, counted),
        lengths=tuple(_lengths(judged)),
        pairs=_pair_count(judged, pairs),
        thumbs_by_reply=_thumbs_by_reply(judged),
        orders_by_pair=_orders_by_pair(judged, pairs),
        judged=sum(player.judged for player in written),
        replies=sum(player.replies for player in written),
        judgements=len(counted),
        decisions=_by_name(judged, "decision", first),
        raters=tuple((rater, names.get(rater, ""), count) for rater, count in raters.items()),
        kinds=_by_name(judged, "kind", counted),
        languages=_by_name(judged, "language", counted),
        adapters=_adapters(judged),
        withheld=len(_first_of_each(judged.replies.judgement, judged.withheld)),
    )


def _first_of_each(values: Texts, among: Flags) -> Ints:
    """The first of the rows `among` with each value."""
    rows = np.flatnonzero(among)
    return rows[np.unique(values[rows], return_index=True)[1]]


def _by_name(judged: Judged, column: str, rows: Ints) -> dict[str, int]:
    """How many of some rows have each text of a column, the most frequent first."""
    numbers = getattr(judged.replies, column)[rows]
    found = np.bincount(numbers[numbers != NONE])
    listed = [(judged.names[column][number], int(found[number])) for number in np.flatnonzero(found)]
    return dict(sorted(listed, key=lambda each: (-each[1], each[0])))


def _days(judged: Judged, counted: Ints) -> Iterator[DayCount]:
    days, day = np.unique(judged.replies.time[counted] // _DAY_S, return_inverse=True)
    up, down = (judged.of("kind", verdict)[counted] for verdict in (Verdict.UP, Verdict.DOWN))
    numbers = (np.bincount(day, each, len(days)).astype(int).tolist() for each in (up, down, ~up & ~down))
    for at, *of_day in zip(days.tolist(), *numbers, strict=True):
        yield DayCount(datetime.fromtimestamp(at * _DAY_S, UTC).date().isoformat(), *of_day)


def _players(judged: Judged, written: Counter[str]) -> Iterator[PlayerCount]:
    replies, names = judged.replies, judged.names["player"]
    by_players = judged.counted & (replies.player != NONE)
    rows = np.flatnonzero(by_players)
    weights = (judged.of("kind", verdict)[rows] for verdict in (Verdict.UP, Verdict.DOWN))
    thumbs = (np.bincount(replies.player[rows], each, len(names)) for each in weights)
    different = replies.player[_first_of_each(replies.message, by_players)]
    found = (*thumbs, np.bincount(different, minlength=len(names)))
    occur = {names[number]: number for number in np.unique(replies.player[rows])}
    for name in sorted({*occur, *written}):
        up, down, replied = (int(count[occur[name]]) if name in occur else 0 for count in found)
        yield PlayerCount(name, up, down, replied, written[name])


def _reasons(judged: Judged, counted: Ints) -> dict[str, int]:
    reasons = Counter[str]()
    for listed, count in _by_name(judged, "reasons", counted).items():
        reasons.update({name: count for name in listed.strip(",").split(",") if name})
    return dict(reasons.most_common())


def _lengths(judged: Judged) -> Iterator[LengthCount]:
    rows = np.flatnonzero(judged.counted & judged.thumbs)
    length = np.searchsorted(LENGTHS, judged.replies.characters[rows], side="right") - 1
    up = np.bincount(length, judged.of("kind", Verdict.UP)[rows], len(LENGTHS))
    every = np.bincount(length, minlength=len(LENGTHS))
    for number in np.flatnonzero(every):
        yield LengthCount(LENGTHS[number], int(up[number]), int(every[number] - up[number]))


def _pair_count(judged: Judged, pairs: Pairs) -> PairCount:
    replies = judged.replies
    left, right = pairs.left, pairs.right
    decided = (replies.rank[left] != NONE) & (replies.rank[right] != NONE) & (replies.rank[left] != replies.rank[right])
    left, right = left[decided], right[decided]
    won = replies.rank[left] < replies.rank[right]
    placed = (replies.position[left] != NONE) & (replies.position[right] != NONE)
    unequal = replies.characters[left] != replies.characters[right]
    return PairCount(
        side_by_side=int(placed.sum()),
        first_won=int((placed & (won == (replies.position[left] < replies.position[right]))).sum()),
        of_different_length=int(unequal.sum()),
        longer_won=int((unequal & (won == (replies.characters[left] > replies.characters[right]))).sum()),
    )


def _thumbs_by_reply(judged: Judged) -> Patterns:
    rows = np.flatnonzero(judged.counted & judged.thumbs)
    said = {verdict.value: judged.of("kind", verdict)[rows] for verdict in (Verdict.UP, Verdict.DOWN)}
    return _patterns(places(judged.replies.message[rows]), said)


def _orders_by_pair(judged: Judged, pairs: Pairs) -> Patterns:
    replies = judged.replies
    among = np.isin(replies.prompt_message[pairs.left], _asked_of_several(judged))
    left, right = pairs.left[among], pairs.right[among]
    ranks = replies.rank[left], replies.rank[right]
    ranked = (ranks[0] != NONE) & (ranks[1] != NONE)
    message = places(replies.message)
    return _patterns(
        places(message[left] * (len(message) + 1) + message[right]),
        {
            "left": ranked & (ranks[0] < ranks[1]),
            "right": ranked & (ranks[0] > ranks[1]),
            "tie": ranked & (ranks[0] == ranks[1]),
            "both_bad": replies.both_bad[left],
        },
    )


def _asked_of_several(judged: Judged) -> Texts:
    """The messages whose replies more than one person has judged."""
    replies = judged.replies
    messages, message = np.unique(replies.prompt_message, return_inverse=True)
    several = np.bincount(different_pairs(message, replies.rater.astype(np.int64)), minlength=len(messages)) > 1
    return np.asarray(messages[several & (messages != b"")])


def _patterns(unit: Ints, said: Mapping[str, Flags]) -> Patterns:
    """How often each value was said of a unit with more than one row, and how many units have these numbers."""
    units = int(unit.max(initial=-1)) + 1
    numbers = np.stack([np.bincount(unit, what, units).astype(np.int64) for what in said.values()], axis=1)
    found, how_many = np.unique(numbers[np.bincount(unit, minlength=units) > 1], axis=0, return_counts=True)
    rows = zip(found.tolist(), how_many.tolist(), strict=True)
    return tuple((dict(zip(said, row, strict=True)), count) for row, count in rows)


def _adapters(judged: Judged) -> dict[str, int]:
    """Judgements by adapter."""
    replies = judged.replies
    rows = np.flatnonzero(judged.counted & (replies.adapter != NONE))
    found = np.bincount(different_pairs(replies.adapter[rows].astype(np.int64), places(replies.judgement[rows])))
    return {judged.names["adapter"][number]: int(found[number]) for number in np.flatnonzero(found)}
