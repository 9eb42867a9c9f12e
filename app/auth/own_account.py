"""What people do with their own account: name, password, sessions, API keys."""

from __future__ import annotations

from collections.abc import Collection

from app.auth.attempts import Attempts
from app.auth.passwords import Passwords
from app.auth.secret_tokens import KeyText, checksum
from app.auth.sign_in import require_names
from app.domain.accounts import Account, AccountRole, ApiKey, Principal, Scope, Session
from app.errors import InvalidRequest, NotAllowed, WrongPassword
from app.store import Repositories, Store

MAX_KEYS = 50


class OwnAccount:
    """One's own account. Each method needs a session: a program with a key can't take an account over."""

    def __init__(self, store: Store, passwords: Passwords, attempts: Attempts) -> None:
        self._store, self._passwords, self._attempts = store, passwords, attempts

    async def get(self, who: Principal) -> Account:
        """The account."""
        return await self._store.read(lambda r: r.users.get(who.user_id))

    async def change(self, who: Principal, *, name: str | None, allow_training: bool | None) -> Account:
        """Change the name that others see, or whether judgements of new chats may become training data.

        Chats that there are keep what they say. ``None`` leaves it as it is.
        """
        require_names(who.username or "", name or "")
        return await self._store.write(lambda r: r.users.change(who.user_id, name=name, allow_training=allow_training))

    async def change_password(self, who: Principal, old: str, new: str) -> None:
        """Change the password, and end all other sessions. Keys stay: they have secrets of their own.

        Raises :class:`WrongPassword`, :class:`~app.errors.WeakPassword`, :class:`~app.errors.TooManyAttempts`.
        """
        account = await self.get(who)
        with self._attempts.attempt(f"account {account.username}"):
            if not await self._passwords.matches(account.password_hash, old):
                raise WrongPassword("The current password is wrong.")
        hashed = await self._passwords.checksum(new, account.username or "", account.name)

        def change(r: Repositories) -> None:
            r.users.set_password(who.user_id, hashed)
            r.sessions.delete_all(who.user_id, but=who.session_id)
            r.audit.add(who, "password_changed", account.shown_name)

        await self._store.write(change)

    async def sessions(self, who: Principal) -> list[Session]:
        """The browsers in which this person is signed in."""
        return await self._store.read(lambda r: r.sessions.of(who.user_id))

    async def end_session(self, who: Principal, session_id: str) -> None:
        """Sign out elsewhere. Raises :class:`~app.errors.SessionNotFound`."""
        await self._store.write(lambda r: r.sessions.delete(who.user_id, session_id))

    async def end_other_sessions(self, who: Principal) -> int:
        """Sign out everywhere else; returns from how many browsers."""
        return await self._store.write(lambda r: r.sessions.delete_all(who.user_id, but=who.session_id))

    async def keys(self, who: Principal) -> list[ApiKey]:
        """The API keys, without their secrets."""
        return await self._store.read(lambda r: r.api_keys.of(who.user_id))

    async def add_key(self, who: Principal, name: str, scopes: Collection[Scope]) -> tuple[ApiKey, KeyText]:
        """Make a key. Its text is never shown again. Raises :class:`NotAllowed`, :class:`InvalidRequest`."""
        if who.role is AccountRole.GUEST:
            raise NotAllowed("Guests can't have API keys.")
        if Scope.ADMIN in scopes and who.role is not AccountRole.ADMIN:
            raise NotAllowed("Only an administrator's key can have the scope admin.")
        text = KeyText.new()

        def add(r: Repositories) -> ApiKey:
            if len(r.api_keys.of(who.user_id)) >= MAX_KEYS:
                raise InvalidRequest(f"Nobody can have more than {MAX_KEYS} keys. Revoke one that is not used.")
            r.audit.add(who, "key_made", name, {"key": text.id, "scopes": sorted(scopes)})
            return r.api_keys.add(who.user_id, text.id, checksum(text.secret), name, scopes)

        return await self._store.write(add), text

    async def revoke_key(self, who: Principal, key_id: str) -> None:
        """Revoke a key. Raises :class:`~app.errors.ApiKeyNotFound`."""

        def revoke(r: Repositories) -> None:
            name = r.api_keys.delete(who.user_id, key_id)
            r.audit.add(who, "key_revoked", name, {"key": key_id})

        await self._store.write(revoke)
