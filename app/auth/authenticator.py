"""Who sends a request: a session's token or an API key → a :class:`Principal`. Asks the store each time.

So whoever is disabled or signed out, on the page or by a command, is out with the next request.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from app.auth.secret_tokens import KeyText, checksum
from app.domain.accounts import Account, Principal, Scope, Session
from app.store import Repositories, Store

IDLE = timedelta(days=30)  # a session that is not used for so long ends
LONGEST = timedelta(days=180)  # and each one after this
_NOTED_EVERY_S = 60.0
_MAX_NOTED = 10_000


class Authenticator:
    """Finds out who somebody is, and notes when a session or key was last used."""

    def __init__(self, store: Store, own_keys: Mapping[str, Principal]) -> None:
        """`own_keys` are valid while this server runs, and are stored nowhere."""
        self._store, self._own_keys = store, own_keys
        self._noted_at: dict[str, float] = {}

    async def by_session(self, token: str) -> Principal | None:
        """Whose session this is; ``None`` if it has ended."""
        digest = checksum(token)
        found = await self._store.read(lambda r: r.sessions.find(digest))
        if found is None:
            return None
        session, account = found
        self._note(session.id, lambda r: r.sessions.used(session.id, expiry(session.created_at)))
        return principal_of(account, session)

    async def by_key(self, text: str) -> Principal | None:
        """Whose key this is; ``None`` if it was revoked or is none of ours."""
        for own, principal in self._own_keys.items():
            if hmac.compare_digest(own.encode(), text.encode("utf-8", "replace")):
                return principal
        key = KeyText.parse(text)
        if key is None:
            return None
        found = await self._store.read(lambda r: r.api_keys.find(key.id))
        if found is None or not hmac.compare_digest(found.digest, checksum(key.secret)):
            return None
        stored, account = found.key, found.account
        self._note(key.id, lambda r: r.api_keys.used(key.id))
        return Principal(
            account.id,
            account.shown_name,
            account.role,
            username=account.username,
            key_id=stored.id,
            allow_training=account.allow_training,
            scopes=stored.scopes,
        )

    def _note(self, credential_id: str, work: Callable[[Repositories], None]) -> None:
        """Store the last use, at most once a minute. Nobody waits for it, and it may fail: nothing depends on it."""
        now = time.monotonic()
        if now - self._noted_at.get(credential_id, -_NOTED_EVERY_S) >= _NOTED_EVERY_S:
            if len(self._noted_at) >= _MAX_NOTED:
                self._noted_at.clear()
            self._noted_at[credential_id] = now
            self._store.submit(work)


def expiry(created_at: datetime) -> datetime:
    """When a session that is used now expires."""
    return min(datetime.now(UTC) + IDLE, created_at + LONGEST)


def principal_of(account: Account, session: Session) -> Principal:
    """Somebody who is signed in."""
    return Principal(
        account.id,
        account.shown_name,
        account.role,
        username=account.username,
        session_id=session.id,
        allow_training=account.allow_training,
        scopes=frozenset(Scope),
    )
