"""Repository of people and their logins."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.accounts import Account, AccountRole, folded_username
from app.domain.ids import new_id
from app.errors import InvalidRequest, LastAdministrator, UsernameTaken, UserNotFound
from app.store.account_rows import account_from
from app.store.damage import DamageLog
from app.store.tables import UserRow
from app.store.text_checks import checked

LOCAL_USER = "local"
_UNKNOWN = "There is no such account. `parley users list` shows all."
_CAN_SIGN_IN = (UserRow.username.is_not(None), UserRow.disabled_at.is_(None))


class Users:
    """People. Without accounts there is one, the local user, who owns everything."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage

    def ensure_local(self) -> str:
        """The id of the local user, created if missing."""
        if self._session.get(UserRow, LOCAL_USER) is None:
            row = UserRow(id=LOCAL_USER, name="", created_at=datetime.now(UTC), role=AccountRole.ADMIN)
            self._session.add(row)
            self._session.flush()
        return LOCAL_USER

    def has_administrator(self) -> bool:
        """Whether an administrator can sign in: from then on everybody has to."""
        query = select(UserRow.id).where(UserRow.role == AccountRole.ADMIN, *_CAN_SIGN_IN).limit(1)
        return self._session.scalar(query) is not None

    def all(self) -> list[Account]:
        """All accounts with a login, the oldest first."""
        query = select(UserRow).where(UserRow.username.is_not(None)).order_by(UserRow.created_at, UserRow.id)
        return list(self._damage.legible(self._session.scalars(query), account_from))

    def get(self, user_id: str) -> Account:
        """One account with a login. Raises :class:`UserNotFound`."""
        return self._damage.required(self._row(user_id), account_from)

    def by_username(self, username: str) -> Account | None:
        """The account with this login, written in any way."""
        query = select(UserRow).where(UserRow.username == folded_username(checked(username, "username")))
        row = self._session.scalars(query).one_or_none()
        return None if row is None else self._damage.required(row, account_from)

    def by_identity(self, issuer: str, subject: str) -> Account | None:
        """The account that a provider of single sign-on knows as `subject`."""
        query = select(UserRow).where(UserRow.sso_issuer == issuer, UserRow.sso_subject == checked(subject, "subject"))
        row = self._session.scalars(query).one_or_none()
        return None if row is None else self._damage.required(row, account_from)

    def set_identity(self, user_id: str, issuer: str, subject: str) -> None:
        """Let somebody sign in as `subject` of a provider."""
        row = self._row(user_id)
        row.sso_issuer, row.sso_subject = issuer, checked(subject, "subject")
        self._session.flush()

    def add(self, username: str, name: str, role: AccountRole, password_hash: str | None) -> Account:
        """Add an account. The first is the local user's, who owns what was there before.

        Raises :class:`UsernameTaken`, and :class:`InvalidRequest` if the first is not an administrator's.
        """
        folded = folded_username(checked(username, "username"))
        if self.by_username(username) is not None:
            raise UsernameTaken(f"There is an account called {folded} already. Choose another name.")
        first = self._session.get(UserRow, LOCAL_USER) if self._is_first() else None
        if first and role is not AccountRole.ADMIN:
            raise InvalidRequest("The first account has to be an administrator's.", field="role")
        row = first or UserRow(id=new_id(), created_at=datetime.now(UTC))
        row.username, row.name, row.role, row.password_hash = folded, checked(name, "name"), role, password_hash
        self._session.add(row)
        self._session.flush()
        return account_from(row)

    def consents(self, user_id: str) -> bool:
        """Whether judgements of this person's new chats may become training data, unless a chat says otherwise.

        Who was not asked has not agreed; but the owner of the installation has.
        """
        row = self._session.get(UserRow, user_id)
        said = row.allow_training if row else None
        return user_id == LOCAL_USER if said is None else said

    def set_password(self, user_id: str, password_hash: str) -> None:
        """Replace the checksum of the password."""
        self._row(user_id).password_hash = password_hash
        self._session.flush()

    def change(
        self,
        user_id: str,
        *,
        name: str | None = None,
        role: AccountRole | None = None,
        disabled: bool | None = None,
        allow_training: bool | None = None,
    ) -> Account:
        """Change what is given. Raises :class:`LastAdministrator` if nobody could manage Parley any more."""
        row = self._row(user_id)
        if name is not None:
            row.name = checked(name, "name")
        if role is not None:
            row.role = role
        if allow_training is not None:
            row.allow_training = allow_training
        if disabled is not None:
            row.disabled_at = (row.disabled_at or datetime.now(UTC)) if disabled else None
        self._session.flush()
        if not self.has_administrator():
            raise LastAdministrator("This is the only administrator. Make somebody else one first.")
        return account_from(row)

    def _is_first(self) -> bool:
        return not self._session.scalar(select(func.count()).select_from(UserRow).where(UserRow.username.is_not(None)))

    def _row(self, user_id: str) -> UserRow:
        row = self._session.get(UserRow, checked(user_id, "user id"))
        if row is None or row.username is None:
            raise UserNotFound(_UNKNOWN)
        return row
