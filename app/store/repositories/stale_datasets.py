"""What has happened since a dataset was built to the judgements that it is made of.

Everything begins with what has changed (few rows), not with the dataset (perhaps hundreds of thousands). Joins are made
here, since a database without statistics would begin at the other end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from sqlalchemy import or_, select, text
from sqlalchemy.orm import Session

from app.domain.datasets import Dataset, Stale
from app.domain.feedback import Decision, Ranking, Verdict
from app.store.damage import DamageLog
from app.store.repositories.rankings import Rankings
from app.store.tables import ConversationRow, DatasetJudgementRow, RankingRow, RatingRow, ReviewRow

_USED = DatasetJudgementRow
_WITHHELD = text("(deleted_at IS NOT NULL OR NOT allow_training)")  # as its index has it
_SLICE = 5_000  # ids per query


def stale(session: Session, damage: DamageLog, dataset: Dataset) -> Counter[Stale]:
    """How many judgements of the dataset it should not contain any more, by the first reason that applies."""
    judgements = {
        **_superseded_rankings(session, damage, dataset),
        **_superseded_ratings(session, dataset),
        **dict.fromkeys(_excluded(session, dataset), Stale.EXCLUDED),
    }
    reasons = {key: judgements[judgement_id] for key, judgement_id in _used(session, dataset, judgements)}
    reasons.update(_withheld(session, dataset))
    gone = select(_USED.id).where(_USED.dataset_id == dataset.id, _USED.rating_id.is_(None), _USED.ranking_id.is_(None))
    reasons.update(dict.fromkeys(session.scalars(gone), Stale.DELETED))
    return Counter(reasons.values())


def _used(session: Session, dataset: Dataset, judgement_ids: Collection[str]) -> Iterator[tuple[int, str]]:
    """Those of the judgements that the dataset contains: the row and the judgement."""
    for ids in _slices(judgement_ids):
        query = select(_USED.id, _USED.dataset_id, _USED.rating_id, _USED.ranking_id)
        found = session.execute(query.where(or_(_USED.rating_id.in_(ids), _USED.ranking_id.in_(ids))))
        for key, dataset_id, rating_id, ranking_id in found:
            if dataset_id == dataset.id:
                yield key, rating_id or ranking_id or ""


def _withheld(session: Session, dataset: Dataset) -> dict[int, Stale]:
    """Judgements of conversations that are in the trash, or whose owner does not allow training any more."""
    rows = session.execute(select(ConversationRow.id, ConversationRow.deleted_at).where(_WITHHELD))
    reasons = {key: Stale.NO_CONSENT if deleted_at is None else Stale.DELETED for key, deleted_at in rows}
    found: dict[int, Stale] = {}
    for ids in _slices(reasons):
        query = select(_USED.id, _USED.conversation_id)
        query = query.where(_USED.dataset_id == dataset.id, _USED.conversation_id.in_(ids))
        found.update((key, reasons[conversation_id]) for key, conversation_id in session.execute(query))
    return found


def _excluded(session: Session, dataset: Dataset) -> list[str]:
    """Judgements that an administrator has excluded since."""
    query = select(ReviewRow).where(ReviewRow.sequence > dataset.read_until.review_sequence)
    latest = {
        row.rating_id or row.ranking_id or "": row.decision
        for row in session.scalars(query.order_by(ReviewRow.sequence))
    }
    return [key for key, decision in latest.items() if decision == Decision.EXCLUDED]


def _superseded_ratings(session: Session, dataset: Dataset) -> dict[str, Stale]:
    """Ratings whose rater has withdrawn or changed them since."""
    last = dataset.read_until.rating_sequence
    query = select(RatingRow.message_id, RatingRow.user_id, RatingRow.verdict).where(RatingRow.sequence > last)
    now = {
        (message_id, user_id): verdict
        for message_id, user_id, verdict in session.execute(query.order_by(RatingRow.sequence))
    }
    found: dict[str, Stale] = {}
    for ids in _slices({message_id for message_id, _ in now}):
        older = select(RatingRow).where(RatingRow.message_id.in_(ids), RatingRow.sequence <= last)
        for was in session.scalars(older):
            verdict = now.get((was.message_id, was.user_id), was.verdict)
            if verdict != was.verdict:
                found[was.id] = Stale.WITHDRAWN if verdict == Verdict.RETRACTED else Stale.CHANGED
    return found


def _superseded_rankings(session: Session, damage: DamageLog, dataset: Dataset) -> dict[str, Stale]:
    """Rankings whose rater has withdrawn or changed them since."""
    changed = select(RankingRow.conversation_id).where(RankingRow.sequence > dataset.read_until.ranking_sequence)
    found: dict[str, Stale] = {}
    for ids in _slices(set(session.scalars(changed))):
        for rankings in Rankings(session, damage).by_conversation(ids).values():
            latest = {(ranking.user_id, ranking.message_ids): ranking for ranking in rankings}
            for was in rankings:
                if reason := _change(was, latest[was.user_id, was.message_ids]):
                    found[was.id] = reason
    return found


def _change(was: Ranking, now: Ranking) -> Stale | None:
    if now.withdrawn:
        return Stale.WITHDRAWN
    places = [{item.message_id: item.rank for item in ranking.items} for ranking in (was, now)]
    return Stale.CHANGED if places[0] != places[1] or was.both_bad != now.both_bad else None


def _slices(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(sorted(ids))
    while some := list(islice(left, _SLICE)):
        yield some
