"""Datasets, and the judgements that each is made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables. Judgements are no foreign keys: a dataset whose judgements were deleted must say so."""
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("manifest", sa.JSON, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_datasets_user_id"), ondelete="CASCADE"),
    )
    op.create_table(
        "dataset_judgements",
        sa.Column("dataset_id", sa.String(26), nullable=False),
        sa.Column("judgement_id", sa.String(26), nullable=False),
        sa.Column("conversation_id", sa.String(26), nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "judgement_id", name=op.f("pk_dataset_judgements")),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_dataset_judgements_dataset_id"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_dataset_judgements_judgement_id"), "dataset_judgements", ["judgement_id"])
