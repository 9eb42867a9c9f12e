"""Judged replies beside the log, and indexes for the review, the statistics and the leaderboard."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store.judged_replies_of_log import fill

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the indexes, and fill the table from the log."""
    _create_table()
    for columns in (
        ["judged_at", "judgement_id"],
        *([name, "judged_at", "judgement_id"] for name in ("kind", "user_id", "player", "language", "decision")),
        ["prompt_id", "user_id"],
        ["message_id"],
        ["conversation_id"],
    ):
        op.create_index(op.f(f"ix_judged_replies_{'_'.join(columns)}"), "judged_replies", columns)
    newest = ["judged_at", "judgement_id"]
    _partly("ix_judged_replies_adapter", "judged_replies", ["adapter", *newest], "adapter IS NOT NULL")
    _partly("ix_judged_replies_reasons", "judged_replies", [*newest, "reasons"], "reasons <> ''")
    _partly("ix_judged_replies_disputed", "judged_replies", newest, "disputed", "disputed = 1")
    _partly("ix_messages_replies", "messages", ["model_id", "adapter"], "role = 'assistant'")
    fill(op.get_bind())


def _partly(name: str, table: str, columns: list[str], condition: str, on_sqlite: str | None = None) -> None:
    """Create an index of the rows that meet a condition, which SQLite may write differently."""
    op.create_index(
        name, table, columns, sqlite_where=sa.text(on_sqlite or condition), postgresql_where=sa.text(condition)
    )


def _create_table() -> None:
    op.create_table(
        "judged_replies",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("judgement_id", sa.String(26), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("conversation_id", sa.String(26), nullable=False),
        sa.Column("prompt_id", sa.String(26)),
        sa.Column("message_id", sa.String(26), nullable=False),
        sa.Column("rank", sa.Integer),
        sa.Column("position", sa.Integer),
        sa.Column("blind", sa.Boolean, nullable=False),
        sa.Column("both_bad", sa.Boolean, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("player", sa.Text),
        sa.Column("adapter", sa.Text),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("characters", sa.Integer, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("prompt", sa.String(32), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("disputed", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judged_replies")),
        sa.UniqueConstraint("judgement_id", "message_id", name=op.f("uq_judged_replies_judgement_id_message_id")),
        *(_cascade(*pair) for pair in (("user_id", "users"), ("conversation_id", "conversations"))),
        _cascade("message_id", "messages"),
        sa.CheckConstraint("decision IN ('accepted', 'excluded', 'open')", name=op.f("ck_judged_replies_decision")),
        sqlite_autoincrement=True,
    )


def _cascade(column: str, other: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_judged_replies_{column}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete="CASCADE")
