"""What all tables share: their base class, and types of columns that SQLAlchemy lacks.

These are UTC times, and JSON of one kind; both read what is damaged as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, CheckConstraint, DateTime, Dialect, MetaData, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

from app.store.damage import Damaged

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware datetimes, read as UTC; SQLite stores them as text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True
    kind = datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; for SQLite, which has no time zones, without one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored")
        at = value.astimezone(UTC)
        return at.replace(tzinfo=None) if dialect.name == "sqlite" else at

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert from the database's time to UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """As usual, but what is not a time is returned as :class:`~app.store.damage.Damaged`."""
        return _tolerant(super().result_processor(dialect, coltype))


class Json(TypeDecorator[Any]):
    """JSON objects (`kind` is ``dict``) or arrays (``list``)."""

    impl = JSON
    cache_ok = True

    def __init__(self, kind: type = dict, **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Refuse JSON of another kind."""
        return value if value is None or isinstance(value, self.kind) else Damaged("JSON of another kind")

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """As usual, but what is not JSON is returned as :class:`~app.store.damage.Damaged`."""
        return _tolerant(super().result_processor(dialect, coltype))


def _tolerant(process: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    def read(value: Any) -> Any:
        try:
            return process(value) if process else value
        except (ValueError, TypeError, RecursionError) as error:
            return value if isinstance(value, Damaged) else Damaged(str(error)[:80])

    return read


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A check that a column has one of the values of an enumeration."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(v)) for v in values)})", name=column)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        str: Text,
        dict[str, Any]: Json(dict),
        list[str]: Json(list),
    }
