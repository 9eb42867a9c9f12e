"""Repository of users. Without accounts there is only the local user."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.store.tables import UserRow

LOCAL_USER = "local"


class Users:
    """Users. Without accounts there is one, who owns everything."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ensure_local(self) -> str:
        """The id of the local user, created if missing."""
        if self._session.get(UserRow, LOCAL_USER) is None:
            self._session.add(UserRow(id=LOCAL_USER, name="", created_at=datetime.now(UTC)))
            self._session.flush()
        return LOCAL_USER
