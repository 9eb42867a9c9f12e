"""Conversations, their messages, and the search index."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.generation import FinishReason
from app.domain.messages import MessageState, Role
from app.store.column_types import Json
from app.store.tables.base import Base, one_of

WITHHELD = text("deleted_at IS NOT NULL OR NOT allow_training")  # conversations whose judgements do not count


class ConversationRow(Base):
    """A conversation without its messages."""

    __tablename__ = "conversations"
    __table_args__ = (
        Index(
            "ix_conversations_listed",
            *("user_id", "pinned", "updated_at", "id"),
            sqlite_where=text("dataset_file IS NULL"),
            postgresql_where=text("dataset_file IS NULL"),
        ),
        Index(None, "user_id", "import_digest", unique=True),
        Index(None, "user_id", "dataset_file"),
        Index("ix_conversations_withheld", "id", sqlite_where=WITHHELD, postgresql_where=WITHHELD),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    title: Mapped[str]
    model_id: Mapped[str | None]
    system_prompt: Mapped[str]
    sampling: Mapped[dict[str, Any]]
    leaf_id: Mapped[str | None] = mapped_column(
        String(26)
    )  # checked by the repository: a foreign key would be circular
    pinned: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    allow_training: Mapped[bool] = mapped_column(server_default=true())
    import_digest: Mapped[str | None] = mapped_column(String(32))  # of the record of the file it was imported from
    dataset_file: Mapped[str | None]  # of a row of training data: the file's name, or ''; NULL: a chat


class MessageRow(Base):
    """One message; `parent_id` forms the tree.

    The foreign key of the parent includes the conversation, so that both are in the same one. It does not cascade:
    SQLite's cascades are limited to a depth of 1,000, and messages are deleted with their conversation anyway.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("conversation_id", "id"),
        ForeignKeyConstraint(["conversation_id", "parent_id"], ["messages.conversation_id", "messages.id"]),
        ForeignKeyConstraint(["conversation_id", "continues_id"], ["messages.conversation_id", "messages.id"]),
        one_of("role", Role),
        one_of("state", MessageState),
        one_of("finish_reason", FinishReason),
        Index(None, "conversation_id", "parent_id"),
        Index(None, "conversation_id", "continues_id"),
        Index(
            "ix_messages_replies",
            *("model_id", "adapter"),
            sqlite_where=text("role = 'assistant'"),
            postgresql_where=text("role = 'assistant'"),
        ),
        Index(
            "ix_messages_pending",
            "id",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(String(26))
    role: Mapped[str] = mapped_column(String(16))
    content: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    finish_reason: Mapped[str | None] = mapped_column(String(16))
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    error_details: Mapped[dict[str, Any] | None] = mapped_column(Json(dict, none_as_null=True))
    continues_id: Mapped[str | None] = mapped_column(String(26))

    # provenance: all set, or all empty (for messages not written by a model)
    model_id: Mapped[str | None]
    model_digest: Mapped[str | None]
    family: Mapped[str | None]
    engine: Mapped[str | None]
    quantization: Mapped[str | None]
    sampling: Mapped[dict[str, Any] | None] = mapped_column(Json(dict, none_as_null=True))
    prompt_digest: Mapped[str | None]
    adapter: Mapped[str | None]
    dropped_turns: Mapped[int]
    system_prompt: Mapped[str | None]

    # of an imported reply, which has no provenance: the model that the file names, or ''
    imported_model: Mapped[str | None]

    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    queued_ms: Mapped[int | None]
    first_token_ms: Mapped[int | None]
    duration_ms: Mapped[int | None]

    reasoning: Mapped[str] = mapped_column(server_default="")  # before the content; not indexed for search
    thinking_ms: Mapped[int | None]

    # the reply of which this one is a person's corrected text; checked by the repository, like `leaf_id`
    corrects_id: Mapped[str | None] = mapped_column(String(26))


class SearchRow(Base):
    """A document of the search index: the tokens of a title (no `message_id`) or of a finished message."""

    __tablename__ = "search_documents"
    __table_args__ = (Index(None, "conversation_id", "message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    message_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), unique=True)
    text: Mapped[str]
