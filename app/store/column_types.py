"""Types of columns: times in UTC, and JSON. What can't be read is returned as :class:`~app.store.damage.Damaged`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, TypeDecorator

from app.store.damage import Damaged


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
