"""Repository of API keys."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.domain.accounts import Account, ApiKey, Scope
from app.errors import ApiKeyNotFound
from app.store.account_rows import account_from, api_key_from
from app.store.damage import DamageLog
from app.store.tables import ApiKeyRow, UserRow
from app.store.text_checks import checked


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, the checksum of its secret, and whose it is."""

    key: ApiKey
    digest: str
    account: Account


class ApiKeys:
    """Keys for programs; each belongs to a person."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage

    def add(self, user_id: str, key_id: str, digest: str, name: str, scopes: Collection[Scope]) -> ApiKey:
        """Add a key whose secret has the checksum `digest`."""
        row = ApiKeyRow(
            id=key_id,
            digest=digest,
            user_id=user_id,
            name=checked(name, "name"),
            scopes=[scope.value for scope in Scope if scope in scopes],
            created_at=datetime.now(UTC),
        )
        self._session.add(row)
        self._session.flush()
        return api_key_from(row)

    def find(self, key_id: str) -> FoundKey | None:
        """The key, if its owner may still sign in."""
        query = select(ApiKeyRow, UserRow).join(UserRow, UserRow.id == ApiKeyRow.user_id)
        row = self._session.execute(query.where(ApiKeyRow.id == key_id, *_VALID)).one_or_none()
        if row is None:
            return None
        key, account = self._damage.required(row[0], api_key_from), self._damage.required(row[1], account_from)
        return FoundKey(key, row[0].digest, account)

    def valid(self, key_ids: Collection[str]) -> set[str]:
        """Those of `key_ids` that are still valid."""
        query = select(ApiKeyRow.id).join(UserRow, UserRow.id == ApiKeyRow.user_id)
        return set(self._session.scalars(query.where(ApiKeyRow.id.in_(key_ids), *_VALID)))

    def of(self, user_id: str) -> list[ApiKey]:
        """The keys of a person, the newest first."""
        query = select(ApiKeyRow).where(ApiKeyRow.user_id == user_id).order_by(ApiKeyRow.created_at.desc())
        return list(self._damage.legible(self._session.scalars(query), api_key_from))

    def used(self, key_id: str) -> None:
        """Note that it was used now."""
        query = update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=datetime.now(UTC))
        self._session.execute(query)

    def delete(self, user_id: str, key_id: str) -> str:
        """Revoke a key of this person; returns its name. Raises :class:`ApiKeyNotFound`, also for somebody else's."""
        query = delete(ApiKeyRow).where(ApiKeyRow.id == checked(key_id, "key"), ApiKeyRow.user_id == user_id)
        name: str | None = self._session.scalar(query.returning(ApiKeyRow.name))
        if name is None:
            raise ApiKeyNotFound("There is no such key. It may have been revoked already.")
        return name

    def delete_all(self, user_id: str) -> int:
        """Revoke all keys of a person; returns how many."""
        return self._session.connection().execute(delete(ApiKeyRow).where(ApiKeyRow.user_id == user_id)).rowcount


_VALID = (UserRow.disabled_at.is_(None), UserRow.username.is_not(None))
