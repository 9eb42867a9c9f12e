"""The log of judgements, and the datasets made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.feedback import Decision, RankingSource, Verdict
from app.store.tables.base import NEVER_AGAIN, Base, one_of


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
