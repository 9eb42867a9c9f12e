"""Numbers of the feedback log are never given again, and rankings are found by the message that they answer.

A dataset remembers the last number that it was built from. SQLite gives the numbers of deleted rows again, except in
tables with ``AUTOINCREMENT``, and then a later withdrawal looks like an earlier one. PostgreSQL never does.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_TABLES = ("ratings", "rankings", "reviews")


def upgrade() -> None:
    """Rebuild the tables on SQLite, and create the index: a message is deleted without reading all rankings."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA ignore_check_constraints = ON")  # a damaged row must not keep the server from starting
        for table in _TABLES:
            with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_autoincrement": True}):
                pass  # all else stays: columns, keys, named checks, indexes and rows
            _continue_after_the_highest(table)
        op.execute("PRAGMA ignore_check_constraints = OFF")
    op.create_index(op.f("ix_rankings_prompt_id"), "rankings", ["prompt_id"])


def _continue_after_the_highest(table: str) -> None:
    """Also after those of deleted rows that a dataset was built from."""
    read = f"{table.removesuffix('s')}_sequence"
    highest = f"max((SELECT coalesce(max(sequence), 0) FROM {table}), (SELECT coalesce(max({read}), 0) FROM datasets))"
    op.execute(f"DELETE FROM sqlite_sequence WHERE name = '{table}'")
    op.execute(f"INSERT INTO sqlite_sequence (name, seq) SELECT '{table}', {highest}")
