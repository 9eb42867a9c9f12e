"""Links to frozen copies of conversations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store.column_types import Json, UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "shares",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(26), sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column(
            "conversation_id", sa.String(26), sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("messages", Json(list), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("passcode_hash", sa.Text),
        sa.UniqueConstraint("digest"),
    )
    op.create_index(op.f("ix_shares_conversation_id"), "shares", ["conversation_id"])
    op.create_index(op.f("ix_shares_user_id"), "shares", ["user_id"])
