"""Users: without accounts there is only the local one."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.store.tables import UserRow

LOCAL_USER = "local"


class Users:
    """The users. Without accounts there is one, who owns everything."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def ensure_local(self) -> str:
        """The id of the one user of a Parley without accounts, made when missing."""
        if self._session.get(UserRow, LOCAL_USER) is None:
            self._session.add(UserRow(id=LOCAL_USER, name="", created_at=datetime.now(UTC)))
            self._session.flush()
        return LOCAL_USER
