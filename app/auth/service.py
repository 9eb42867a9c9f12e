"""Accounts as one service: whether a login is needed, and the parts of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, Self, TypeVar

from app.auth import people
from app.auth.attempts import Attempts
from app.auth.authenticator import Authenticator
from app.auth.own_account import OwnAccount
from app.auth.passwords import Passwords
from app.auth.request_rate import RequestRate
from app.auth.running_requests import RunningRequests
from app.auth.sign_in import SignIn
from app.auth.sso.flow import OidcFlow, RoleClaim
from app.auth.sso.identity import Identity
from app.auth.sso.provider import ProviderSettings
from app.auth.sso.proxy import ProxyHeader
from app.auth.usage import PeoplesUsage, UsageLimits
from app.config import Settings
from app.domain.accounts import AccountRole, Principal
from app.errors import ParleyError
from app.store import Repositories, Store

P = ParamSpec("P")
T = TypeVar("T")

LOOKS_EVERY_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuthLimits:
    """What one person may do; 0: no limit."""

    usage: UsageLimits
    requests_per_minute: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of the settings."""
        usage = UsageLimits(settings.user_replies, settings.user_tokens_per_day)
        return cls(usage, settings.user_requests_per_minute)


@dataclass(frozen=True, slots=True)
class SingleSignOn:
    """Who else may say who somebody is."""

    oidc: OidcFlow | None
    name: str  # of the provider, as the login page shows it
    proxy: ProxyHeader
    usual_role: AccountRole

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say. Raises :class:`~app.errors.ConfigurationError` for an unsafe issuer."""
        provider = ProviderSettings(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret)
        roles = RoleClaim(settings.oidc_role_claim, settings.oidc_admin_groups)
        flow = OidcFlow(provider, roles) if settings.oidc_issuer else None
        proxy = ProxyHeader(settings.proxy_user_header, settings.trusted_proxies)
        return cls(flow, settings.oidc_name, proxy, AccountRole(settings.sso_role))


class AuthService:
    """Accounts. Without an administrator who can sign in, and unless the settings ask for a login, there is none:

    every request is the local user's, which only a server on this machine may allow.
    """

    def __init__(self, store: Store, local_user_id: str, settings: Settings, command_key: str = "") -> None:
        limits = AuthLimits.of(settings)
        passwords, attempts = Passwords(), Attempts()
        self._store, self._login, self.passwords = store, settings.login, passwords
        self.sso = SingleSignOn.of(settings)
        self.local = Principal(local_user_id, "", AccountRole.ADMIN, allow_training=True)
        self.authenticator = Authenticator(store, {command_key: self.local} if command_key else {})
        self.sign_in = SignIn(store, passwords, attempts)
        self.own = OwnAccount(store, passwords, attempts)
        self.running = RunningRequests(store)
        self.usage = PeoplesUsage(store, limits.usage, lambda: self.login_required)
        self.rate = RequestRate(limits.requests_per_minute)
        self.login_required = settings.login
        self.has_administrator = False
        self.first_link: str | None = None  # the secret of an invitation for the first administrator
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look whether a login is needed, and from now on every two seconds until it is."""
        await self._look()
        await self.usage.start()
        if self._login and not self.has_administrator:
            _, self.first_link = await self.act(people.invite, None, AccountRole.ADMIN)
        self.running.start()
        self._watch = asyncio.create_task(self._look_again(), name="look for the first account")

    async def close(self) -> None:
        """Stop looking."""
        await self.running.close()
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    async def is_account_of(self, principal: Principal, identity: Identity) -> bool:
        """Whether somebody who is signed in is whom a provider of single sign-on names."""
        account = await self._store.read(lambda r: r.users.by_identity(identity.issuer, identity.subject))
        return account is not None and account.id == principal.user_id

    async def act(self, work: Callable[Concatenate[Repositories, P], T], *args: P.args, **options: P.kwargs) -> T:
        """Do something of :mod:`app.auth.people`, in one transaction."""
        return await self._store.write(lambda r: work(r, *args, **options))

    async def look(self, work: Callable[Concatenate[Repositories, P], T], *args: P.args, **options: P.kwargs) -> T:
        """Like :meth:`act`, for what only reads."""
        return await self._store.read(lambda r: work(r, *args, **options))

    async def _look(self) -> None:
        """Once there are accounts, a login is needed until the next start, whatever becomes of them."""
        self.has_administrator = await self._store.read(lambda r: r.users.has_administrator())
        self.login_required = self.login_required or self.has_administrator

    async def _look_again(self) -> None:
        while not self.login_required:
            await asyncio.sleep(LOOKS_EVERY_S)
            try:
                await self._look()
            except ParleyError as err:  # the database can't be read now
                log.warning("whether there are accounts can't be looked up: %s", err.message)
