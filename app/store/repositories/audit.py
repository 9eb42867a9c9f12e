"""Repository of the audit log: administrative acts, in their order. Nothing in it is ever changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.accounts import AuditEntry, Principal
from app.store.account_rows import audit_entry_from
from app.store.damage import DamageLog
from app.store.tables import AuditRow
from app.store.text_checks import storable_details, storable_text


class Audit:
    """The audit log."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage

    def add(
        self, actor: Principal | None, action: str, target: str = "", details: Mapping[str, Any] | None = None
    ) -> None:
        """Note an act; without an `actor` it was a command on the server itself."""
        self._session.add(
            AuditRow(
                created_at=datetime.now(UTC),
                actor_id=actor.user_id if actor else None,
                actor=actor.name if actor else "command line",
                action=action,
                target=storable_text(target),
                details=storable_details(details) or {},
            )
        )
        self._session.flush()

    def newest(self, limit: int, *, before: int | None = None) -> list[AuditEntry]:
        """The newest acts, or those before the one with the number `before`; the newest first."""
        query = select(AuditRow).order_by(AuditRow.sequence.desc()).limit(limit)
        if before is not None:
            query = query.where(AuditRow.sequence < before)
        return list(self._damage.legible(self._session.scalars(query), audit_entry_from))
