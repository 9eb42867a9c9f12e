"""Datasets, and the judgements that each is made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WITHHELD = sa.text("deleted_at IS NOT NULL OR NOT allow_training")
_GONE = sa.text("rating_id IS NULL AND ranking_id IS NULL")


def upgrade() -> None:
    """Create the tables, and an index of the conversations that may not be used."""
    op.create_index(
        "ix_conversations_withheld", "conversations", ["id"], sqlite_where=_WITHHELD, postgresql_where=_WITHHELD
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("manifest", sa.JSON, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("rating_sequence", sa.Integer, nullable=False),
        sa.Column("ranking_sequence", sa.Integer, nullable=False),
        sa.Column("review_sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
        _foreign_key("datasets", "user_id", "users", "CASCADE"),
    )
    op.create_table(
        "dataset_judgements",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("dataset_id", sa.String(26), nullable=False),
        sa.Column("conversation_id", sa.String(26), nullable=False),
        sa.Column("rating_id", sa.String(26)),
        sa.Column("ranking_id", sa.String(26)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_judgements")),
        _foreign_key("dataset_judgements", "dataset_id", "datasets", "CASCADE"),
        _foreign_key("dataset_judgements", "rating_id", "ratings", "SET NULL"),
        _foreign_key("dataset_judgements", "ranking_id", "rankings", "SET NULL"),
    )
    for columns in (["dataset_id", "conversation_id"], ["rating_id"], ["ranking_id"]):
        op.create_index(op.f(f"ix_dataset_judgements_{'_'.join(columns)}"), "dataset_judgements", columns)
    op.create_index(
        "ix_dataset_judgements_gone", "dataset_judgements", ["dataset_id"], sqlite_where=_GONE, postgresql_where=_GONE
    )


def _foreign_key(table: str, column: str, other: str, on_delete: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=on_delete)
