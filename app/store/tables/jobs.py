"""Jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    Index,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.jobs import JobState
from app.store.column_types import Json
from app.store.tables.base import Base, one_of


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
