"""Shared conversations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.column_types import Json
from app.store.tables.base import Base


class ShareRow(Base):
    """A frozen copy of one path of a conversation. The link holds a secret, the row its checksum."""

    __tablename__ = "shares"
    __table_args__ = (Index(None, "conversation_id"), Index(None, "user_id"))

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    title: Mapped[str]
    author: Mapped[str]
    messages: Mapped[list[dict[str, Any]]] = mapped_column(Json(list))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    passcode_hash: Mapped[str | None]
