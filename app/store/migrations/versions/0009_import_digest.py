"""What is imported twice is found, rows of datasets stay out of the list of chats, and raters of files are people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. The index of the list holds chats only, so that a million rows do not slow it down."""
    op.add_column("users", sa.Column("imported", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("conversations", sa.Column("import_digest", sa.String(32)))
    op.add_column("conversations", sa.Column("dataset_file", sa.Text))
    op.create_index(
        op.f("ix_conversations_user_id_import_digest"), "conversations", ["user_id", "import_digest"], unique=True
    )
    op.create_index(op.f("ix_conversations_user_id_dataset_file"), "conversations", ["user_id", "dataset_file"])
    op.drop_index(op.f("ix_conversations_user_id_pinned_updated_at_id"), "conversations")
    op.create_index(
        op.f("ix_conversations_listed"),
        "conversations",
        ["user_id", "pinned", "updated_at", "id"],
        sqlite_where=sa.text("dataset_file IS NULL"),
        postgresql_where=sa.text("dataset_file IS NULL"),
    )
