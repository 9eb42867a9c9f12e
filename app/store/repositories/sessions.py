"""Repository of sessions: the browsers in which people are signed in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session as DatabaseSession

from app.domain.accounts import Account, Session
from app.domain.ids import new_id
from app.errors import SessionNotFound
from app.store.account_rows import account_from, session_from
from app.store.damage import DamageLog
from app.store.tables import SessionRow, UserRow
from app.store.text_checks import storable_text

_SHOWN_CHARS = 300  # of a browser's User-Agent


class Sessions:
    """Sessions; each belongs to a person. Only those that have not expired are found."""

    def __init__(self, session: DatabaseSession, damage: DamageLog) -> None:
        self._session, self._damage = session, damage

    def add(self, user_id: str, digest: str, expires_at: datetime, device: str, address: str) -> Session:
        """Add a session, and delete those that have expired."""
        now = datetime.now(UTC)
        self._session.execute(delete(SessionRow).where(SessionRow.expires_at < now))
        row = SessionRow(
            id=new_id(),
            digest=digest,
            user_id=user_id,
            created_at=now,
            last_used_at=now,
            expires_at=expires_at,
            device=storable_text(device[:_SHOWN_CHARS]),
            address=storable_text(address[:_SHOWN_CHARS]),
        )
        self._session.add(row)
        self._session.flush()
        return session_from(row)

    def find(self, digest: str) -> tuple[Session, Account] | None:
        """The session with this checksum and whose it is, if they may still sign in."""
        query = select(SessionRow, UserRow).join(UserRow, UserRow.id == SessionRow.user_id)
        row = self._session.execute(query.where(SessionRow.digest == digest, *_valid())).one_or_none()
        if row is None:
            return None
        return self._damage.required(row[0], session_from), self._damage.required(row[1], account_from)

    def valid(self, session_ids: Collection[str]) -> set[str]:
        """Those of `session_ids` that are still valid."""
        query = select(SessionRow.id).join(UserRow, UserRow.id == SessionRow.user_id)
        return set(self._session.scalars(query.where(SessionRow.id.in_(session_ids), *_valid())))

    def of(self, user_id: str) -> list[Session]:
        """The sessions of a person, the last used first."""
        query = select(SessionRow).where(SessionRow.user_id == user_id, SessionRow.expires_at > datetime.now(UTC))
        rows = self._session.scalars(query.order_by(SessionRow.last_used_at.desc(), SessionRow.id))
        return list(self._damage.legible(rows, session_from))

    def used(self, session_id: str, expires_at: datetime) -> None:
        """Note that it was used now, and when it expires."""
        values = {"last_used_at": datetime.now(UTC), "expires_at": expires_at}
        self._session.execute(update(SessionRow).where(SessionRow.id == session_id).values(**values))

    def delete(self, user_id: str, session_id: str) -> None:
        """End a session of this person. Raises :class:`SessionNotFound`, also for somebody else's."""
        query = delete(SessionRow).where(SessionRow.id == session_id, SessionRow.user_id == user_id)
        if not self._session.connection().execute(query).rowcount:
            raise SessionNotFound("There is no such session. It may have ended already.")

    def delete_all(self, user_id: str, *, but: str | None = None) -> int:
        """End all sessions of a person, but one perhaps; returns how many."""
        query = delete(SessionRow).where(SessionRow.user_id == user_id)
        if but is not None:
            query = query.where(SessionRow.id != but)
        return self._session.connection().execute(query).rowcount


def _valid() -> tuple[ColumnElement[bool], ...]:
    return (
        SessionRow.expires_at > datetime.now(UTC),
        UserRow.disabled_at.is_(None),
        UserRow.username.is_not(None),
    )
