"""Damaged rows: values that are not what their column holds, such as bad UTF-8, bad JSON, a bad time, an unknown state.

The columns' types (:mod:`app.store.tables`) return such a value as :class:`Damaged` instead of failing, so that it does
not hide the other rows of a query.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from app.errors import DatabaseDamaged

Row = TypeVar("Row")
T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Damaged:
    """In place of a value that can't be read."""

    reason: str


class DamagedRow(Exception):
    """A row with a value that can't be read."""

    def __init__(self, table: str, row_id: object, column: str, reason: str) -> None:
        super().__init__(f"{column} of row {row_id} of {table} is damaged: {reason}")
        self.row = (table, str(row_id))


@dataclass(slots=True)
class DamageLog:
    """Counts the damaged rows that were found, and logs each once. Shared by all threads of a store."""

    rows: set[tuple[str, str]] = field(default_factory=set)

    def report(self, found: DamagedRow) -> None:
        """Count and log a row, unless that was done before."""
        if found.row not in self.rows:
            self.rows.add(found.row)
            log.error("%s. The rest stays usable; `parley db check` names all damaged rows.", found)

    def legible(self, rows: Iterable[Row], read: Callable[[Row], T]) -> Iterator[T]:
        """Each row as `read` maps it; damaged ones are reported and left out."""
        for row in rows:
            try:
                yield read(row)
            except DamagedRow as found:
                self.report(found)

    def required(self, row: Row, read: Callable[[Row], T]) -> T:
        """The row as `read` maps it. Raises :class:`DatabaseDamaged` for a damaged one, which is reported."""
        try:
            return read(row)
        except DamagedRow as found:
            self.report(found)
            raise DatabaseDamaged(
                f"This is damaged in the database: {found}. Run `parley db check`, or restore a backup with "
                "`parley db restore FILE`."
            ) from found
