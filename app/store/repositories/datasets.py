"""Repository of datasets, and of the judgements that they are made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from sqlalchemy import func, insert, or_, select
from sqlalchemy.orm import Session

from app.domain.datasets import Dataset, LogPosition, Stale
from app.domain.ids import new_id
from app.errors import DatasetExists, DatasetNotFound
from app.store.damage import DamageLog
from app.store.repositories.stale_datasets import stale
from app.store.row_mapping import dataset_from
from app.store.tables import DatasetJudgementRow, DatasetRow, RankingRow, RatingRow, ReviewRow
from app.store.text_checks import checked, checked_json

_SLICE = 5_000  # rows per statement


class Datasets:
    """Datasets of each user; their names are unique among all users, since they name folders."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage

    def position(self) -> LogPosition:
        """The end of the feedback log."""
        last = [self._session.scalar(select(func.max(row.sequence))) for row in (RatingRow, RankingRow, ReviewRow)]
        return LogPosition(*(sequence or 0 for sequence in last))

    def add(
        self,
        user_id: str,
        name: str,
        folder: str,
        spec: Mapping[str, Any],
        manifest: Mapping[str, Any],
        read_until: LogPosition,
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
            **asdict(read_until),
        )
        self._session.add(row)
        self._session.flush()
        left = iter(judgements)
        while some := list(islice(left, _SLICE)):
            self._session.execute(insert(DatasetJudgementRow), self._judgement_columns(row.id, some))
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
        used, ids = DatasetJudgementRow, list(judgement_ids)
        query = select(used.rating_id, used.ranking_id, DatasetRow.name)
        query = query.join(DatasetRow, DatasetRow.id == used.dataset_id)
        query = query.where(or_(used.rating_id.in_(ids), used.ranking_id.in_(ids))).order_by(DatasetRow.id)
        found: dict[str, list[str]] = {}
        for rating_id, ranking_id, name in self._session.execute(query):
            found.setdefault(rating_id or ranking_id or "", []).append(name)
        return found

    def stale(self, dataset: Dataset) -> Counter[Stale]:
        """How many judgements of the dataset it should not contain any more, by the first reason that applies."""
        return stale(self._session, self._damage, dataset)

    def _judgement_columns(self, dataset_id: str, some: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """Rows for these judgements; those deleted since they were read refer to nothing."""
        ids = [key for key, _ in some]
        ratings = set(self._session.scalars(select(RatingRow.id).where(RatingRow.id.in_(ids))))
        rankings = set(self._session.scalars(select(RankingRow.id).where(RankingRow.id.in_(ids))))
        return [
            {
                "dataset_id": dataset_id,
                "conversation_id": conversation_id,
                "rating_id": key if key in ratings else None,
                "ranking_id": key if key in rankings else None,
            }
            for key, conversation_id in some
        ]

    def _row(self, user_id: str, name: str) -> DatasetRow:
        query = select(DatasetRow).where(DatasetRow.user_id == user_id, DatasetRow.name == checked(name, "name"))
        row = self._session.scalar(query)
        if row is None:
            raise DatasetNotFound(f"There is no dataset {name!r}. It may have been deleted.", name=name)
        return row
