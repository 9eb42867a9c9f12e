"""The table of judged replies, which is derived from the log: see :mod:`app.store.judged_replies_of_log`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.feedback import Decision
from app.store.tables.base import Base, one_of


class JudgedReplyRow(Base):
    """A reply in a current judgement: kept beside the log, so that lists and counts read neither it nor texts.

    What a row says never changes: what differs gets a new id, and ``AUTOINCREMENT`` never gives one again. So the
    number of rows and the highest id tell of every change, also within a range of ids.
    """

    __tablename__ = "judged_replies"
    __table_args__ = (
        one_of("decision", Decision),
        UniqueConstraint("judgement_id", "message_id"),
        Index(None, "judged_at", "judgement_id"),
        *(Index(None, name, "judged_at", "judgement_id") for name in ("kind", "user_id", "player", "language")),
        Index(None, "decision", "judged_at", "judgement_id"),
        Index(
            "ix_judged_replies_adapter",
            *("adapter", "judged_at", "judgement_id"),
            sqlite_where=text("adapter IS NOT NULL"),
            postgresql_where=text("adapter IS NOT NULL"),
        ),
        Index(
            "ix_judged_replies_reasons",
            *("judged_at", "judgement_id", "reasons"),
            sqlite_where=text("reasons <> ''"),
            postgresql_where=text("reasons <> ''"),
        ),
        Index(
            "ix_judged_replies_disputed",
            *("judged_at", "judgement_id"),
            sqlite_where=text("disputed = 1"),
            postgresql_where=text("disputed"),
        ),
        Index(None, "prompt_id", "user_id"),
        Index(None, "message_id"),
        Index(None, "conversation_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    judgement_id: Mapped[str] = mapped_column(String(26))  # of a rating or a ranking
    kind: Mapped[str] = mapped_column(String(16))  # "up", "down", or the source of a ranking
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))  # the rater
    judged_at: Mapped[datetime]
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    prompt_id: Mapped[str | None] = mapped_column(String(26))  # the message that the reply answers
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    rank: Mapped[int | None]
    position: Mapped[int | None]
    blind: Mapped[bool]
    both_bad: Mapped[bool]
    reasons: Mapped[str]  # of a thumb: ",wrong,too_long,", or ""

    # of the reply, see ``app/domain/judged_replies.py``
    player: Mapped[str | None]
    adapter: Mapped[str | None]
    complete: Mapped[bool]
    characters: Mapped[int]
    language: Mapped[str] = mapped_column(String(8))
    prompt: Mapped[str] = mapped_column(String(32))

    decision: Mapped[str] = mapped_column(String(16))  # the latest review's
    disputed: Mapped[bool]  # another rater says the opposite
