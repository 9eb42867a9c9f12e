"""People, and what proves who somebody is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.accounts import AccountRole, LinkKind
from app.store.tables.base import NEVER_AGAIN, Base, one_of


class UserRow(Base):
    """A person. Without accounts there is one, ``local``, who becomes the first administrator's account."""

    __tablename__ = "users"
    __table_args__ = (
        one_of("role", AccountRole),
        Index(None, "username", unique=True),
        Index(None, "sso_issuer", "sso_subject", unique=True),
    )

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str]
    created_at: Mapped[datetime]
    imported: Mapped[bool] = mapped_column(server_default=false())  # a rater whom an imported file names
    role: Mapped[str] = mapped_column(String(16), server_default=AccountRole.GUEST)
    username: Mapped[str | None]  # folded, see `folded_username`; NULL: can't sign in
    password_hash: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    sso_issuer: Mapped[str | None]  # who says who this is, where it is not a password
    sso_subject: Mapped[str | None]
    allow_training: Mapped[bool | None]  # may judgements of new chats become training data? NULL: not asked yet


class SessionRow(Base):
    """A browser in which somebody is signed in. The cookie holds a secret, the row its checksum."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    device: Mapped[str]
    address: Mapped[str]


class ApiKeyRow(Base):
    """A key for a program, ``sk-<id>_<secret>``; the row holds the secret's checksum."""

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "user_id"),)

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class OneTimeLinkRow(Base):
    """An invitation, or a link to set a new password. It is deleted when it is used."""

    __tablename__ = "one_time_links"
    __table_args__ = (one_of("kind", LinkKind), one_of("role", AccountRole), Index(None, "user_id"))

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(16))
    role: Mapped[str] = mapped_column(String(16))
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_by: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    note: Mapped[str]


class DailyUsageRow(Base):
    """What a person used on a day, ``2026-11-27`` (UTC)."""

    __tablename__ = "daily_usage"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    replies: Mapped[int]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]


class AuditRow(Base):
    """An administrative act, never changed. It names people itself, since accounts may be deleted."""

    __tablename__ = "audit_log"
    __table_args__ = (NEVER_AGAIN,)

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    created_at: Mapped[datetime]
    actor_id: Mapped[str | None] = mapped_column(String(26))
    actor: Mapped[str]
    action: Mapped[str] = mapped_column(String(32))
    target: Mapped[str]
    details: Mapped[dict[str, Any]]
