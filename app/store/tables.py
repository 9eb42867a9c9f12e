"""The database tables. A change here needs a migration; a test compares the two.

Times are UTC. Enumerations are text with a check constraint, which works in every database and makes adding a value a
small migration.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.domain.feedback import Decision, RankingSource, Verdict
from app.domain.generation import FinishReason
from app.domain.jobs import JobState
from app.domain.messages import MessageState, Role
from app.store.column_types import Json, UtcDateTime

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A check that a column has one of the values of an enumeration."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(v)) for v in values)})", name=column)


# A table's numbers are not given again when its newest rows are deleted: datasets remember up to which they have read.
NEVER_AGAIN = {"sqlite_autoincrement": True}


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        str: Text,
        dict[str, Any]: Json(dict),
        list[str]: Json(list),
    }


class UserRow(Base):
    """A person. Without accounts there is one, ``local``."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str]
    created_at: Mapped[datetime]
    imported: Mapped[bool] = mapped_column(server_default=false())  # a rater whom an imported file names


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


class RatingRow(Base):
    """One rating, never changed; `sequence` orders the ratings, independently of the clock."""

    __tablename__ = "ratings"
    __table_args__ = (
        one_of("verdict", Verdict),
        CheckConstraint("score BETWEEN 1 AND 10", name="score"),
        Index(None, "message_id", "user_id", "sequence"),
        NEVER_AGAIN,
    )

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(26), unique=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    verdict: Mapped[str] = mapped_column(String(16))
    reasons: Mapped[list[str]]
    comment: Mapped[str]
    score: Mapped[int | None]
    created_at: Mapped[datetime]


class RankingRow(Base):
    """One ranking, never changed; `sequence` orders the rankings, independently of the clock."""

    __tablename__ = "rankings"
    __table_args__ = (
        one_of("source", RankingSource),
        Index(None, "conversation_id", "sequence"),
        Index(None, "prompt_id"),
        NEVER_AGAIN,
    )

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(26), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    prompt_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    source: Mapped[str] = mapped_column(String(16))
    blind: Mapped[bool]
    both_bad: Mapped[bool]
    withdrawn: Mapped[bool]
    created_at: Mapped[datetime]


class RankingItemRow(Base):
    """A reply's place in a ranking; no `rank` while nobody has chosen."""

    __tablename__ = "ranking_items"
    __table_args__ = (
        CheckConstraint("rank >= 1", name="rank"),
        CheckConstraint("position >= 0", name="position"),
        Index(None, "message_id"),
    )

    ranking_id: Mapped[str] = mapped_column(ForeignKey("rankings.id", ondelete="CASCADE"), primary_key=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int | None]
    position: Mapped[int | None]
    settings: Mapped[dict[str, Any]]


class ReviewRow(Base):
    """An administrator's decision about a rating or a ranking, never changed; `sequence` orders them."""

    __tablename__ = "reviews"
    __table_args__ = (
        one_of("decision", Decision),
        CheckConstraint("(rating_id IS NULL) <> (ranking_id IS NULL)", name="judgement"),
        Index(None, "rating_id"),
        Index(None, "ranking_id"),
        NEVER_AGAIN,
    )

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(26), unique=True)
    rating_id: Mapped[str | None] = mapped_column(ForeignKey("ratings.id", ondelete="CASCADE"))
    ranking_id: Mapped[str | None] = mapped_column(ForeignKey("rankings.id", ondelete="CASCADE"))
    reviewer_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    decision: Mapped[str] = mapped_column(String(16))
    note: Mapped[str]
    created_at: Mapped[datetime]


class DatasetRow(Base):
    """A dataset that was built; its files are in a folder of that name."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    spec: Mapped[dict[str, Any]]
    manifest: Mapped[dict[str, Any]]
    folder: Mapped[str]  # relative to the data folder

    # the last of each that was read: only later ones can make the dataset stale
    rating_sequence: Mapped[int]
    ranking_sequence: Mapped[int]
    review_sequence: Mapped[int]


_GONE = text("rating_id IS NULL AND ranking_id IS NULL")


class DatasetJudgementRow(Base):
    """A rating or ranking that a dataset is made of. It stays when these are deleted, to show that they are missing."""

    __tablename__ = "dataset_judgements"
    __table_args__ = (
        Index(None, "dataset_id", "conversation_id"),
        Index(None, "rating_id"),
        Index(None, "ranking_id"),
        Index("ix_dataset_judgements_gone", "dataset_id", sqlite_where=_GONE, postgresql_where=_GONE),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    conversation_id: Mapped[str] = mapped_column(String(26))
    rating_id: Mapped[str | None] = mapped_column(ForeignKey("ratings.id", ondelete="SET NULL"))
    ranking_id: Mapped[str | None] = mapped_column(ForeignKey("rankings.id", ondelete="SET NULL"))


class SearchRow(Base):
    """A document of the search index: the tokens of a title (no `message_id`) or of a finished message."""

    __tablename__ = "search_documents"
    __table_args__ = (Index(None, "conversation_id", "message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    message_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), unique=True)
    text: Mapped[str]


class JobRow(Base):
    """A job. `cancel_requested` is how other processes reach the server that runs it."""

    __tablename__ = "jobs"
    __table_args__ = (one_of("state", JobState), Index(None, "user_id", "id"), Index(None, "state", "id"))

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    parameters: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16))
    progress: Mapped[dict[str, Any] | None] = mapped_column(Json(dict, none_as_null=True))
    cancel_requested: Mapped[bool]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    error_details: Mapped[dict[str, Any] | None] = mapped_column(Json(dict, none_as_null=True))
    result: Mapped[dict[str, Any] | None] = mapped_column(Json(dict, none_as_null=True))
    log: Mapped[str | None]
