"""First migration: users, conversations, messages, ratings, search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_INDEX = """
CREATE VIRTUAL TABLE search_index USING fts5(text, content='search_documents', content_rowid='id', tokenize='ascii')
"""
# The ascii tokenizer treats all non-ASCII characters as parts of words, which is right: documents consist of tokens.
_TRIGGERS = (
    """
    CREATE TRIGGER search_documents_added AFTER INSERT ON search_documents BEGIN
        INSERT INTO search_index(rowid, text) VALUES (new.id, new.text);
    END
    """,
    """
    CREATE TRIGGER search_documents_gone AFTER DELETE ON search_documents BEGIN
        INSERT INTO search_index(search_index, rowid, text) VALUES ('delete', old.id, old.text);
    END
    """,
    """
    CREATE TRIGGER search_documents_changed AFTER UPDATE ON search_documents BEGIN
        INSERT INTO search_index(search_index, rowid, text) VALUES ('delete', old.id, old.text);
        INSERT INTO search_index(rowid, text) VALUES (new.id, new.text);
    END
    """,
)


def upgrade() -> None:
    """Create the first tables."""
    _users_and_conversations()
    _messages()
    _ratings()
    _search()


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _users_and_conversations() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("model_id", sa.Text),
        sa.Column("system_prompt", sa.Text, nullable=False),
        sa.Column("sampling", sa.JSON, nullable=False),
        sa.Column("leaf_id", sa.String(26)),
        sa.Column("pinned", sa.Boolean, nullable=False),
        _time("created_at"),
        _time("updated_at"),
        _time("deleted_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_conversations_user_id"), ondelete="CASCADE"),
    )
    op.create_index(
        op.f("ix_conversations_user_id_pinned_updated_at_id"),
        "conversations",
        ["user_id", "pinned", "updated_at", "id"],
    )


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("conversation_id", sa.String(26), nullable=False),
        sa.Column("parent_id", sa.String(26)),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        _time("created_at"),
        sa.Column("finish_reason", sa.String(16)),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("continues_id", sa.String(26)),
        sa.Column("model_id", sa.Text),
        sa.Column("model_digest", sa.Text),
        sa.Column("family", sa.Text),
        sa.Column("engine", sa.Text),
        sa.Column("quantization", sa.Text),
        sa.Column("sampling", sa.JSON),
        sa.Column("prompt_digest", sa.Text),
        sa.Column("adapter", sa.Text),
        sa.Column("dropped_turns", sa.Integer, nullable=False),
        sa.Column("system_prompt", sa.Text),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("completion_tokens", sa.Integer, nullable=False),
        sa.Column("cached_tokens", sa.Integer, nullable=False),
        sa.Column("queued_ms", sa.Integer),
        sa.Column("first_token_ms", sa.Integer),
        sa.Column("duration_ms", sa.Integer),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("conversation_id", "id", name=op.f("uq_messages_conversation_id_id")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_messages_conversation_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id", "parent_id"],
            ["messages.conversation_id", "messages.id"],
            name=op.f("fk_messages_conversation_id_parent_id"),
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id", "continues_id"],
            ["messages.conversation_id", "messages.id"],
            name=op.f("fk_messages_conversation_id_continues_id"),
        ),
        sa.CheckConstraint("role IN ('system', 'user', 'assistant')", name=op.f("ck_messages_role")),
        sa.CheckConstraint(
            "state IN ('pending', 'complete', 'cancelled', 'failed', 'interrupted')", name=op.f("ck_messages_state")
        ),
        sa.CheckConstraint(
            "finish_reason IN ('stop', 'length', 'cancelled', 'error')", name=op.f("ck_messages_finish_reason")
        ),
    )
    op.create_index(op.f("ix_messages_conversation_id_parent_id"), "messages", ["conversation_id", "parent_id"])
    op.create_index(op.f("ix_messages_conversation_id_continues_id"), "messages", ["conversation_id", "continues_id"])
    pending = sa.text("state = 'pending'")
    op.create_index(op.f("ix_messages_pending"), "messages", ["id"], sqlite_where=pending, postgresql_where=pending)


def _ratings() -> None:
    op.create_table(
        "ratings",
        sa.Column("sequence", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("message_id", sa.String(26), nullable=False),
        sa.Column("user_id", sa.String(26), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("score", sa.Integer),
        _time("created_at"),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_ratings")),
        sa.UniqueConstraint("id", name=op.f("uq_ratings_id")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_ratings_message_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_ratings_user_id"), ondelete="CASCADE"),
        sa.CheckConstraint("verdict IN ('up', 'down', 'retracted')", name=op.f("ck_ratings_verdict")),
        sa.CheckConstraint("score BETWEEN 1 AND 10", name=op.f("ck_ratings_score")),
    )
    op.create_index(op.f("ix_ratings_message_id_user_id_sequence"), "ratings", ["message_id", "user_id", "sequence"])


def _search() -> None:
    op.create_table(
        "search_documents",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(26), nullable=False),
        sa.Column("message_id", sa.String(26)),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_documents")),
        sa.UniqueConstraint("message_id", name=op.f("uq_search_documents_message_id")),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_search_documents_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_search_documents_message_id"), ondelete="CASCADE"
        ),
    )
    op.create_index(
        op.f("ix_search_documents_conversation_id_message_id"), "search_documents", ["conversation_id", "message_id"]
    )
    if op.get_context().dialect.name == "sqlite":
        for statement in (_INDEX, *_TRIGGERS):
            op.execute(statement)
