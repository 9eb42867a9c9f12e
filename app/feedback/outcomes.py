"""What became of a judgement: the rows that it became, or why it did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.feedback import Judgement, Ranking, Rating, Review
from app.domain.training_rows import Drop, RowKind, TrainingRows

_APPLIES = {Rating: (RowKind.LABEL, RowKind.PAIR, RowKind.DEMONSTRATION), Ranking: (RowKind.RANKING, RowKind.PAIR)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A current judgement, the kinds of rows that it is part of, and the reasons for those that it is not part of."""

    judgement: Judgement
    rows: tuple[RowKind, ...]
    dropped: Mapping[RowKind, Drop]
    review: Review | None
    datasets: tuple[str, ...] = ()  # the names of those that contain it, oldest first


def outcome_of(
    judgement: Judgement, rows: TrainingRows, review: Review | None, datasets: Sequence[str] = ()
) -> Outcome:
    """What became of `judgement` among the rows of its conversation, and in `datasets`."""
    used: dict[RowKind, list[tuple[str, ...]]] = {
        RowKind.LABEL: [label.judgement_ids for label in rows.labels],
        RowKind.PAIR: [pair.judgement_ids for pair in rows.pairs],
        RowKind.RANKING: [(row.ranking.id,) for row in rows.rankings],
        RowKind.DEMONSTRATION: [row.judgement_ids for row in rows.demonstrations],
    }
    found = tuple(kind for kind, uses in used.items() if any(judgement.id in ids for ids in uses))
    possible = [kind for kind in _APPLIES[type(judgement)] if kind not in found]
    dropped = {x.kind: x.reason for x in rows.dropped if judgement.id in x.judgement_ids and x.kind in possible}
    return Outcome(judgement, found, dropped, review, tuple(datasets))
