"""Repository of datasets, and of what has happened since to the judgements that they are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import Select, and_, func, insert, or_, select
from sqlalchemy.orm import Session, aliased

from app.domain.datasets import Dataset, Stale
from app.domain.feedback import Decision, Ranking, Verdict
from app.domain.ids import new_id
from app.errors import DatasetExists, DatasetNotFound
from app.store.damage import DamageLog
from app.store.repositories.rankings import Rankings
from app.store.row_mapping import dataset_from
from app.store.tables import (
    ConversationRow,
    DatasetJudgementRow,
    DatasetRow,
    RankingRow,
    RatingRow,
    ReviewRow,
)
from app.store.text_checks import checked, checked_json

_SLICE = 5_000  # rows per statement


class Datasets:
    """Datasets of each user; their names are unique among all users, since they name folders."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage
        self._rankings = Rankings(session, damage)

    def add(
        self,
        user_id: str,
        name: str,
        folder: str,
        spec: Mapping[str, Any],
        manifest: Mapping[str, Any],
        judgements: Iterable[tuple[str, str]],
    ) -> Dataset:
        """Add a dataset with its `judgements`, pairs of their ids and conversations. Raises :class:`DatasetExists`."""
        self.require_free(name)
        checked_json(dict(spec), "spec")
        checked_json(dict(manifest), "manifest")
        row = DatasetRow(
            id=new_id(),
            user_id=user_id,
            name=name,
            created_at=datetime.now(UTC),
            spec=dict(spec),
            manifest=dict(manifest),
            folder=folder,
        )
        self._session.add(row)
        self._session.flush()
        left = iter(judgements)
        while some := list(islice(left, _SLICE)):
            values = [{"dataset_id": row.id, "judgement_id": key, "conversation_id": at} for key, at in some]
            self._session.execute(insert(DatasetJudgementRow), values)
        return dataset_from(row)

    def require_free(self, name: str) -> None:
        """Raise :class:`DatasetExists` if a dataset of any user has this name."""
        if self._session.scalar(select(DatasetRow.id).where(DatasetRow.name == checked(name, "name"))) is not None:
            raise DatasetExists(
                f"There is already a dataset {name!r}. Choose another name, or delete that one first.", name=name
            )

    def get(self, user_id: str, name: str) -> Dataset:
        """One's own dataset. Raises :class:`DatasetNotFound`."""
        return self._damage.required(self._row(user_id, name), dataset_from)

    def all(self, user_id: str) -> Sequence[Dataset]:
        """The datasets of a user, newest first."""
        query = select(DatasetRow).where(DatasetRow.user_id == user_id).order_by(DatasetRow.id.desc())
        return list(self._damage.legible(self._session.scalars(query), dataset_from))

    def names(self) -> set[str]:
        """The names of the datasets of all users."""
        return set(self._session.scalars(select(DatasetRow.name)))

    def delete(self, user_id: str, name: str) -> None:
        """Forget a dataset; its files are the caller's. Raises :class:`DatasetNotFound`."""
        self._session.delete(self._row(user_id, name))
        self._session.flush()

    def containing(self, judgement_ids: Collection[str]) -> dict[str, list[str]]:
        """The names of the datasets that contain each judgement, oldest first."""
        used = DatasetJudgementRow
        query = select(used.judgement_id, DatasetRow.name).join(DatasetRow, DatasetRow.id == used.dataset_id)
        query = query.where(used.judgement_id.in_(judgement_ids)).order_by(DatasetRow.id)
        found: dict[str, list[str]] = {}
        for key, name in self._session.execute(query):
            found.setdefault(key, []).append(name)
        return found

    def stale(self, dataset_id: str) -> Counter[Stale]:
        """How many judgements of the dataset it should not hold any more, by the first reason that applies."""
        queries = {
            Stale.DELETED: _deleted(),
            Stale.NO_CONSENT: _without_consent(),
            Stale.EXCLUDED: _excluded(),
            Stale.WITHDRAWN: _superseded_ratings(withdrawn=True),
            Stale.CHANGED: _superseded_ratings(withdrawn=False),
        }
        reasons = self._superseded_rankings(dataset_id)
        for reason, query in reversed(queries.items()):
            found = self._session.scalars(query.where(DatasetJudgementRow.dataset_id == dataset_id))
            reasons.update(dict.fromkeys(found, reason))
        return Counter(reasons.values())

    def _superseded_rankings(self, dataset_id: str) -> dict[str, Stale]:
        """Rankings of the dataset whose rater has withdrawn or changed them."""
        older, newer = aliased(RankingRow), aliased(RankingRow)
        query = (
            select(DatasetJudgementRow.judgement_id, older.conversation_id)
            .join(older, older.id == DatasetJudgementRow.judgement_id)
            .where(
                DatasetJudgementRow.dataset_id == dataset_id,
                select(newer.id)
                .where(
                    newer.conversation_id == older.conversation_id,
                    newer.user_id == older.user_id,
                    newer.sequence > older.sequence,
                )
                .exists(),
            )
        )
        by_conversation: dict[str, list[str]] = {}
        for key, conversation_id in self._session.execute(query):
            by_conversation.setdefault(conversation_id, []).append(key)
        found: dict[str, Stale] = {}
        for conversation_id, keys in by_conversation.items():
            rankings = self._rankings.of(conversation_id)
            latest = {(ranking.user_id, ranking.message_ids): ranking for ranking in rankings}
            for ranking in rankings:
                now = latest[ranking.user_id, ranking.message_ids]
                if ranking.id in keys and now.id != ranking.id and (reason := _change(ranking, now)):
                    found[ranking.id] = reason
        return found

    def _row(self, user_id: str, name: str) -> DatasetRow:
        query = select(DatasetRow).where(DatasetRow.user_id == user_id, DatasetRow.name == checked(name, "name"))
        row = self._session.scalar(query)
        if row is None:
            raise DatasetNotFound(f"There is no dataset {name!r}. It may have been deleted.", name=name)
        return row


def _used() -> Select[str]:
    return select(DatasetJudgementRow.judgement_id)


def _deleted() -> Select[str]:
    """Judgements that no longer exist, or whose conversation is in the trash."""
    key = DatasetJudgementRow.judgement_id
    exists = or_(
        select(RatingRow.id).where(RatingRow.id == key).exists(),
        select(RankingRow.id).where(RankingRow.id == key).exists(),
    )
    trashed = select(ConversationRow.id).where(
        ConversationRow.id == DatasetJudgementRow.conversation_id, ConversationRow.deleted_at.is_not(None)
    )
    return _used().where(or_(~exists, trashed.exists()))


def _without_consent() -> Select[str]:
    same = ConversationRow.id == DatasetJudgementRow.conversation_id
    return _used().join(ConversationRow, and_(same, ConversationRow.allow_training.is_(False)))


def _excluded() -> Select[str]:
    """Judgements whose latest review excludes them."""
    key, later = DatasetJudgementRow.judgement_id, aliased(ReviewRow)
    same = or_(later.rating_id == ReviewRow.rating_id, later.ranking_id == ReviewRow.ranking_id)
    newer = select(later.id).where(same, later.sequence > ReviewRow.sequence)
    about = or_(ReviewRow.rating_id == key, ReviewRow.ranking_id == key)
    return _used().join(ReviewRow, and_(about, ReviewRow.decision == Decision.EXCLUDED, ~newer.exists()))


def _superseded_ratings(*, withdrawn: bool) -> Select[str]:
    """Ratings whose rater has given the same reply another thumb since, or has withdrawn it."""
    older, newer, newest = aliased(RatingRow), aliased(RatingRow), aliased(RatingRow)
    same = and_(newer.message_id == older.message_id, newer.user_id == older.user_id)
    latest = (
        select(func.max(newest.sequence))
        .where(newest.message_id == older.message_id, newest.user_id == older.user_id)
        .scalar_subquery()
    )
    verdict = newer.verdict == Verdict.RETRACTED
    if not withdrawn:
        verdict = and_(newer.verdict != Verdict.RETRACTED, newer.verdict != older.verdict)
    return (
        _used()
        .join(older, older.id == DatasetJudgementRow.judgement_id)
        .join(newer, and_(same, newer.sequence > older.sequence, newer.sequence == latest, verdict))
    )


def _change(used: Ranking, now: Ranking) -> Stale | None:
    if now.withdrawn:
        return Stale.WITHDRAWN
    places = [{item.message_id: item.rank for item in ranking.items} for ranking in (used, now)]
    return Stale.CHANGED if places[0] != places[1] or used.both_bad != now.both_bad else None
