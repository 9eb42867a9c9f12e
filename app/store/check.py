"""Integrity check of the database: the file, the references between rows, every value of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, func, select
from sqlalchemy.orm import Session, aliased

from app.domain.messages import MessageState
from app.errors import ConfigurationError
from app.store import sqlite_files
from app.store.account_rows import account_from, api_key_from, audit_entry_from, link_from, session_from
from app.store.connections import parse_url, reading_engine, sqlite_path
from app.store.damage import DamagedRow
from app.store.migrate import head_revision, require_tables, revision_of
from app.store.repositories.shares import share_from
from app.store.row_mapping import (
    conversation_from,
    dataset_from,
    job_from,
    message_from,
    ranking_from,
    rating_from,
    review_from,
)
from app.store.storage_errors import storage_errors
from app.store.tables import (
    ApiKeyRow,
    AuditRow,
    ConversationRow,
    DatasetRow,
    JobRow,
    MessageRow,
    OneTimeLinkRow,
    RankingItemRow,
    RankingRow,
    RatingRow,
    ReviewRow,
    SessionRow,
    ShareRow,
    UserRow,
)

NAMED = 20  # damaged rows; more are only counted
_SLICE = 500  # rows per query
_READ: dict[Any, Callable[[Any], object]] = {
    UserRow: account_from,
    SessionRow: session_from,
    ShareRow: share_from,
    ApiKeyRow: api_key_from,
    OneTimeLinkRow: link_from,
    AuditRow: audit_entry_from,
    ConversationRow: conversation_from,
    MessageRow: message_from,
    RatingRow: rating_from,
    ReviewRow: review_from,
    JobRow: job_from,
    DatasetRow: dataset_from,
}
_COUNTED = {
    "users": UserRow,
    "conversations": ConversationRow,
    "messages": MessageRow,
    "ratings": RatingRow,
    "rankings": RankingRow,
    "jobs": JobRow,
    "datasets": DatasetRow,
}


@dataclass(slots=True)
class Report:
    """The result of :func:`check`. `problems` are sentences; the database is sound if there are none."""

    size_bytes: int | None = None  # None: not a file database
    revision: str | None = None
    up_to_date: bool = True  # False: the next start of a server migrates it
    counts: dict[str, int] = field(default_factory=dict)
    running: int = 0  # running replies, or left by a crash and marked at the next start
    problems: list[str] = field(default_factory=list)


def check(url: str) -> Report:
    """Check everything without changing anything, also while a server is running.

    Raises :class:`ConfigurationError` when there is no database, :class:`~app.errors.DatabaseTooNew`,
    :class:`~app.errors.DatabaseDamaged` when it lacks tables.
    """
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    report = Report()
    if path is not None:
        if sqlite_files.is_new(path):
            raise ConfigurationError(
                f"There is no database at {path} yet. Is PARLEY_DATA_DIR the same as for the server?"
            )
        _check_file(path, report)
        if report.problems:
            return report
    _check_rows(parsed, report)
    return report


def _check_file(path: Path, report: Report) -> None:
    report.size_bytes = path.stat().st_size
    report.problems = sqlite_files.problems_of(path, thorough=True)
    if not report.problems:
        with sqlite_files.read_only(path) as connection:
            broken = connection.execute("PRAGMA foreign_key_check").fetchmany(20)
        report.problems = [
            f"row {row} of {table} points to a row of {other} that no longer exists" for table, row, other, _ in broken
        ]
        report.problems += _unmatched_index(path)


def _unmatched_index(path: Path) -> list[str]:
    """A search index with other entries than documents, which SQLite's check overlooks before version 3.44."""
    documents, indexed = "SELECT id FROM search_documents", "SELECT id FROM search_index_docsize"
    with sqlite_files.read_only(path) as connection:
        has = "SELECT count(*) FROM sqlite_master WHERE name IN ('search_documents', 'search_index_docsize')"
        if connection.execute(has).fetchone() != (2,):
            return []  # reported as tables that are missing
        for some, others in ((documents, indexed), (indexed, documents)):
            if connection.execute(f"{some} EXCEPT {others} LIMIT 1").fetchone():
                return ["the search index has other entries than there are messages"]
    return []


def _check_rows(url: URL, report: Report) -> None:
    engine = reading_engine(url, readers=1)
    try:
        with storage_errors(), engine.begin() as connection:
            report.revision = revision_of(connection)
            report.up_to_date = report.revision == head_revision()
            if report.revision is None:
                raise ConfigurationError("The database is empty. `parley serve` creates its tables.")
            if report.up_to_date:
                require_tables(connection)
            for name, row in _COUNTED.items():
                report.counts[name] = connection.scalar(select(func.count()).select_from(row)) or 0
            pending = select(func.count()).where(MessageRow.state == MessageState.PENDING)
            report.running = connection.scalar(pending) or 0
            report.problems += [*_lost_leaves(connection), *_circles(connection), *_damaged_rows(connection)]
    finally:
        engine.dispose()


def _damaged_rows(connection: Connection) -> Iterator[str]:
    left = 0
    with Session(connection) as session:
        for read in _reads(session):
            try:
                read()
            except DamagedRow as found:
                left += 1
                if left <= NAMED:
                    yield str(found)
    if left > NAMED:
        yield f"{left - NAMED} more rows are damaged"


def _reads(session: Session) -> Iterator[Callable[[], object]]:
    """A function for each row that reads it; it raises :class:`DamagedRow`."""
    for row, read in _READ.items():
        for one in session.scalars(select(row).execution_options(yield_per=_SLICE)):
            yield partial(read, one)
    for rankings in session.scalars(select(RankingRow).execution_options(yield_per=_SLICE)).partitions():
        items: dict[str, list[RankingItemRow]] = {}
        ids = [one.id for one in rankings if isinstance(one.id, str)]
        for item in session.scalars(select(RankingItemRow).where(RankingItemRow.ranking_id.in_(ids))):
            items.setdefault(item.ranking_id, []).append(item)
        for one in rankings:
            yield partial(ranking_from, one, items.get(one.id, ()))


def _lost_leaves(connection: Connection) -> list[str]:
    leaf = aliased(MessageRow)
    same = (leaf.id == ConversationRow.leaf_id) & (leaf.conversation_id == ConversationRow.id)
    lost = (
        select(ConversationRow.id)
        .outerjoin(leaf, same)
        .where(ConversationRow.leaf_id.is_not(None), leaf.id.is_(None))
        .limit(20)
    )
    return [f"conversation {given} shows a message that it does not have" for given in connection.scalars(lost)]


def _circles(connection: Connection) -> list[str]:
    """Problems for messages that can't be reached from a root, since they are in a cycle of parents or below one."""
    below: dict[str | None, list[str]] = {}
    for message_id, parent_id in connection.execute(select(MessageRow.id, MessageRow.parent_id)):
        below.setdefault(parent_id, []).append(message_id)
    reached = list(below.get(None, []))
    for message_id in reached:  # grows during iteration
        reached.extend(below.get(message_id, []))
    lost = {m for children in below.values() for m in children}.difference(reached)
    return [f"message {given} is part of a circle of parents" for given in sorted(lost, key=str)[:20]]
