"""What has happened since a dataset was built to the judgements that it is made of.

Each query begins with what has changed (few rows), not with the dataset (perhaps hundreds of thousands).
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Select, and_, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from app.domain.datasets import Dataset, Stale
from app.domain.feedback import Decision, Ranking, Verdict
from app.store.damage import DamageLog
from app.store.repositories.rankings import Rankings
from app.store.tables import ConversationRow, DatasetJudgementRow, RankingRow, RatingRow, ReviewRow

_USED = DatasetJudgementRow
_WITHHELD = text("(conversations.deleted_at IS NOT NULL OR NOT conversations.allow_training)")  # as its index has it


def stale(session: Session, damage: DamageLog, dataset: Dataset) -> Counter[Stale]:
    """How many judgements of the dataset it should not contain any more, by the first reason that applies."""
    reasons = _superseded_rankings(session, damage, dataset)
    for key, was, now in session.execute(_superseded_ratings(dataset)):
        if now == Verdict.RETRACTED:
            reasons[key] = Stale.WITHDRAWN
        elif now != was:
            reasons[key] = Stale.CHANGED
    reasons.update(dict.fromkeys(session.scalars(_excluded(dataset)), Stale.EXCLUDED))
    for key, deleted_at in session.execute(_withheld(dataset)):
        reasons[key] = Stale.DELETED if deleted_at is not None else Stale.NO_CONSENT
    gone = (_USED.dataset_id == dataset.id, _USED.rating_id.is_(None), _USED.ranking_id.is_(None))
    reasons.update(dict.fromkeys(session.scalars(select(_USED.id).where(*gone)), Stale.DELETED))
    return Counter(reasons.values())


def _withheld(dataset: Dataset) -> Select[int, object]:
    """Judgements of conversations that are in the trash, or whose owner does not allow training any more."""
    query = select(_USED.id, ConversationRow.deleted_at).select_from(ConversationRow)
    same = and_(_USED.dataset_id == dataset.id, _USED.conversation_id == ConversationRow.id)
    return query.join(_USED, same).where(_WITHHELD)


def _excluded(dataset: Dataset) -> Select[int]:
    """Judgements that an administrator has excluded since."""
    later = aliased(ReviewRow)
    same = or_(later.rating_id == ReviewRow.rating_id, later.ranking_id == ReviewRow.ranking_id)
    newer = select(later.id).where(same, later.sequence > ReviewRow.sequence)
    about = or_(_USED.rating_id == ReviewRow.rating_id, _USED.ranking_id == ReviewRow.ranking_id)
    return (
        select(_USED.id)
        .select_from(ReviewRow)
        .join(_USED, and_(about, _USED.dataset_id == dataset.id))
        .where(
            ReviewRow.sequence > dataset.read_until.review_sequence,
            ReviewRow.decision == Decision.EXCLUDED,
            ~newer.exists(),
        )
    )


def _superseded_ratings(dataset: Dataset) -> Select[int, str, str]:
    """Ratings whose rater has rated the reply again since: what it was, and what it is now."""
    older, newer, newest = aliased(RatingRow), aliased(RatingRow), aliased(RatingRow)
    last = select(func.max(newest.sequence)).where(
        newest.message_id == newer.message_id, newest.user_id == newer.user_id
    )
    same = and_(older.message_id == newer.message_id, older.user_id == newer.user_id)
    return (
        select(_USED.id, older.verdict, newer.verdict)
        .select_from(newer)
        .join(older, and_(same, older.sequence < newer.sequence))
        .join(_USED, and_(_USED.rating_id == older.id, _USED.dataset_id == dataset.id))
        .where(newer.sequence > dataset.read_until.rating_sequence, newer.sequence == last.scalar_subquery())
    )


def _superseded_rankings(session: Session, damage: DamageLog, dataset: Dataset) -> dict[int, Stale]:
    """Rankings whose rater has withdrawn or changed them since."""
    changed = select(RankingRow.conversation_id).where(RankingRow.sequence > dataset.read_until.ranking_sequence)
    used = select(_USED.id, _USED.ranking_id, _USED.conversation_id).where(
        _USED.dataset_id == dataset.id, _USED.conversation_id.in_(changed), _USED.ranking_id.is_not(None)
    )
    found: dict[int, Stale] = {}
    conversations: dict[str, list[Ranking]] = {}
    for key, ranking_id, conversation_id in session.execute(used):
        if conversation_id not in conversations:
            conversations[conversation_id] = Rankings(session, damage).of(conversation_id)
        rankings = conversations[conversation_id]
        latest = {(ranking.user_id, ranking.message_ids): ranking for ranking in rankings}
        for was in rankings:
            if was.id == ranking_id and (reason := _change(was, latest[was.user_id, was.message_ids])):
                found[key] = reason
    return found


def _change(was: Ranking, now: Ranking) -> Stale | None:
    if now.withdrawn:
        return Stale.WITHDRAWN
    places = [{item.message_id: item.rank for item in ranking.items} for ranking in (was, now)]
    return Stale.CHANGED if places[0] != places[1] or was.both_bad != now.both_bad else None
