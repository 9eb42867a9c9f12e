"""Rankings, reviews, corrections, and each conversation's consent to training."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables and columns. Parley had one user so far, whose chats are theirs to train on."""
    consent = sa.Column("allow_training", sa.Boolean, nullable=False, server_default=sa.true())
    op.add_column("conversations", consent)
    op.add_column("messages", sa.Column("corrects_id", sa.String(26)))
    _create_rankings()
    _create_ranking_items()
    _create_reviews()


def _create_rankings() -> None:
    op.create_table(
        "rankings",
        sa.Column("sequence", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.Column("conversation_id", sa.String(26), nullable=False),
        sa.Column("prompt_id", sa.String(26)),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("blind", sa.Boolean, nullable=False),
        sa.Column("both_bad", sa.Boolean, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_rankings")),
        sa.UniqueConstraint("id", name=op.f("uq_rankings_id")),
        _cascade("rankings", "user_id", "users"),
        _cascade("rankings", "conversation_id", "conversations"),
        _cascade("rankings", "prompt_id", "messages"),
        sa.CheckConstraint(
            "source IN ('regenerate', 'side_by_side', 'ranking', 'correction', 'best_of_n', 'import')",
            name=op.f("ck_rankings_source"),
        ),
    )
    op.create_index(op.f("ix_rankings_conversation_id_sequence"), "rankings", ["conversation_id", "sequence"])


def _create_ranking_items() -> None:
    op.create_table(
        "ranking_items",
        sa.Column("ranking_id", sa.String(26), nullable=False),
        sa.Column("message_id", sa.String(26), nullable=False),
        sa.Column("rank", sa.Integer),
        sa.Column("position", sa.Integer),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("ranking_id", "message_id", name=op.f("pk_ranking_items")),
        _cascade("ranking_items", "ranking_id", "rankings"),
        _cascade("ranking_items", "message_id", "messages"),
        sa.CheckConstraint("rank >= 1", name=op.f("ck_ranking_items_rank")),
        sa.CheckConstraint("position >= 0", name=op.f("ck_ranking_items_position")),
    )
    op.create_index(op.f("ix_ranking_items_message_id"), "ranking_items", ["message_id"])


def _create_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("sequence", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("rating_id", sa.String(26)),
        sa.Column("ranking_id", sa.String(26)),
        sa.Column("reviewer_id", sa.String(26), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_reviews")),
        sa.UniqueConstraint("id", name=op.f("uq_reviews_id")),
        _cascade("reviews", "rating_id", "ratings"),
        _cascade("reviews", "ranking_id", "rankings"),
        _cascade("reviews", "reviewer_id", "users"),
        sa.CheckConstraint("decision IN ('accepted', 'excluded', 'open')", name=op.f("ck_reviews_decision")),
        sa.CheckConstraint("(rating_id IS NULL) <> (ranking_id IS NULL)", name=op.f("ck_reviews_judgement")),
    )
    op.create_index(op.f("ix_reviews_rating_id"), "reviews", ["rating_id"])
    op.create_index(op.f("ix_reviews_ranking_id"), "reviews", ["ranking_id"])


def _cascade(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete="CASCADE")
