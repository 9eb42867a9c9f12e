"""Signing in and out, and using a one-time link: an invitation, or a link to set a new password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from app.auth.attempts import Attempts
from app.auth.authenticator import expiry, principal_of
from app.auth.passwords import Passwords
from app.auth.secret_tokens import checksum, new_token
from app.auth.sso.identity import Identity, account_for
from app.domain.accounts import (
    MAX_NAME,
    MAX_USERNAME,
    Account,
    AccountRole,
    LinkKind,
    OneTimeLink,
    Principal,
    folded_username,
)
from app.errors import InvalidRequest, WrongPassword
from app.store import Repositories, Store

WRONG = "The user name or the password is wrong."


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in, as the list of their sessions shows it."""

    device: str
    address: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session: the secret for the cookie, and who it is."""

    token: str
    principal: Principal


class SignIn:
    """What people do who are not signed in yet."""

    def __init__(self, store: Store, passwords: Passwords, attempts: Attempts) -> None:
        self._store, self._passwords, self._attempts = store, passwords, attempts

    async def sign_in(self, username: str, password: str, browser: Browser, replaced: str | None = None) -> SignedIn:
        """Start a session. It has a new token, and ends the browser's earlier one, whose token is `replaced`.

        Raises :class:`WrongPassword`, with the same words whatever is wrong, and :class:`~app.errors.TooManyAttempts`.
        """
        subject = f"account {folded_username(username)[:MAX_USERNAME]}"
        with self._attempts.attempt(subject, f"address {browser.address}"):
            account = await self._store.read(lambda r: r.users.by_username(username[:MAX_USERNAME]))
            matches = await self._passwords.matches(account.password_hash if account else None, password)
            if account is None or not account.may_sign_in or not matches:
                raise WrongPassword(WRONG)
        return await self._start(account, browser, replaced)

    async def sign_in_as(self, identity: Identity, usual_role: AccountRole, browser: Browser) -> SignedIn:
        """Start a session for whom a provider of single sign-on names. Raises :class:`~app.errors.NotAllowed`."""
        account = await self._store.write(lambda r: account_for(r, identity, usual_role))
        return await self._start(account, browser)

    async def sign_out(self, principal: Principal) -> None:
        """End the session of this request."""
        session_id = principal.session_id
        if session_id is not None:
            await self._store.write(lambda r: r.sessions.delete(principal.user_id, session_id))

    async def open_link(self, token: str) -> tuple[OneTimeLink, Account | None]:
        """What a one-time link is for, and for whom, without using it. Raises :class:`~app.errors.LinkNotFound`.

        Its 256 random bits can't be guessed, so nobody counts attempts.
        """
        return await self._store.read(lambda r: _link_of(r, token))

    async def use_link(
        self, token: str, password: str, browser: Browser, *, username: str = "", name: str = ""
    ) -> SignedIn:
        """Make the account that an invitation is for, or set the password that a link is for; then sign in.

        Raises :class:`~app.errors.LinkNotFound`, :class:`~app.errors.WeakPassword`, :class:`~app.errors.UsernameTaken`.
        """
        link, account = await self.open_link(token)
        if link.kind is LinkKind.INVITATION:
            require_names(username, name)
        else:
            username, name = (account.username or "", account.name) if account else ("", "")
        hashed = await self._passwords.checksum(password, username, name)
        account = await self._store.write(lambda r: _used(r, token, username, name, hashed))
        return await self._start(account, browser)

    async def _start(self, account: Account, browser: Browser, replaced: str | None = None) -> SignedIn:
        token = new_token()

        def start(r: Repositories) -> Principal:
            earlier = r.sessions.find(checksum(replaced)) if replaced else None
            if earlier:
                r.sessions.delete(earlier[0].user_id, earlier[0].id)
            expires_at = expiry(datetime.now(UTC))
            session = r.sessions.add(account.id, checksum(token), expires_at, browser.device, browser.address)
            return principal_of(account, session)

        return SignedIn(token, await self._store.write(start))


def require_names(username: str, name: str) -> None:
    """Raise :class:`InvalidRequest` for names that are empty, too long or can't be typed again."""
    folded = folded_username(username)
    if not folded or len(folded) > MAX_USERNAME or not all(c.isprintable() and not c.isspace() for c in folded):
        raise InvalidRequest(
            f"A user name has 1 to {MAX_USERNAME} characters and no spaces.", field="username", limit=MAX_USERNAME
        )
    if len(name) > MAX_NAME:
        raise InvalidRequest(f"A name has up to {MAX_NAME} characters.", field="name", limit=MAX_NAME)


def _link_of(r: Repositories, token: str) -> tuple[OneTimeLink, Account | None]:
    link = r.one_time_links.find(checksum(token))
    return link, r.users.get(link.user_id) if link.user_id else None


def _used(r: Repositories, token: str, username: str, name: str, hashed: str) -> Account:
    """Use up the link; what it was for happens in the same transaction."""
    link = r.one_time_links.use(checksum(token))
    if link.user_id is None:
        account = r.users.add(username, name, link.role, hashed)
        r.audit.add(
            _self(account), "account_made", account.shown_name, {"role": link.role.value, "invitation": link.id}
        )
        return account
    r.users.set_password(link.user_id, hashed)
    r.sessions.delete_all(link.user_id)
    account = r.users.get(link.user_id)
    r.audit.add(_self(account), "password_reset", account.shown_name)
    return account


def _self(account: Account) -> Principal:
    return Principal(account.id, account.shown_name, account.role)
