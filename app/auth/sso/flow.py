"""Signing in at an OpenID Connect provider and coming back: authorization code with PKCE (RFC 7636, RFC 9700)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.auth.secret_tokens import checksum, new_token
from app.auth.sso.identity import Identity
from app.auth.sso.provider import Provider, ProviderSettings
from app.domain.accounts import AccountRole
from app.errors import SignInFailed

MAX_AGE_S = 600
_MAX_PENDING = 1_000
_AGAIN = "This attempt to sign in has expired or belongs to another browser. Sign in again."


@dataclass(frozen=True, slots=True)
class RoleClaim:
    """The claim with a person's groups, and which of them are administrators."""

    claim: str
    admin_values: Collection[str] = ()

    def role_in(self, claims: Mapping[str, Any]) -> AccountRole | None:
        """What the claim says; ``None`` if no group was configured."""
        if not self.admin_values:
            return None
        found = claims.get(self.claim, [])
        values = {str(value) for value in found} if isinstance(found, list) else {str(found)}
        return AccountRole.ADMIN if values.intersection(self.admin_values) else AccountRole.MEMBER


@dataclass(frozen=True, slots=True)
class Started:
    """Where to send the browser, and the secret that binds the attempt to it (a cookie)."""

    address: str
    browser_secret: str


@dataclass(frozen=True, slots=True)
class _Pending:
    nonce: str
    verifier: str
    redirect_uri: str
    browser: str  # checksum of the browser's secret
    page_query: str
    expires_at: float


class OidcFlow:
    """Attempts to sign in, kept in memory for ten minutes; each can be finished once, by the browser that began it."""

    def __init__(self, settings: ProviderSettings, roles: RoleClaim, provider: Provider | None = None) -> None:
        self.provider = provider or Provider(settings)
        self._roles = roles
        self._pending: dict[str, _Pending] = {}

    async def start(self, redirect_uri: str, page_query: str) -> Started:
        """Begin an attempt; afterwards the browser goes to the page with `page_query`."""
        endpoint = await self.provider.endpoint("authorization_endpoint")
        state, browser_secret = new_token(), new_token()
        pending = _Pending(
            new_token(), new_token(), redirect_uri, checksum(browser_secret), page_query, time.monotonic() + MAX_AGE_S
        )
        self._remember(state, pending)
        query = {
            "response_type": "code",
            "client_id": self.provider.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": self.provider.settings.scopes,
            "state": state,
            "nonce": pending.nonce,
            "code_challenge": _challenge(pending.verifier),
            "code_challenge_method": "S256",
        }
        return Started(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", browser_secret)

    async def finish(self, state: str, code: str, browser_secret: str) -> tuple[Identity, str]:
        """Who came back, and the page's query. Raises :class:`SignInFailed`, also for the second use of `state`."""
        pending = self._pending.pop(state, None)
        if pending is None or pending.expires_at < time.monotonic():
            raise SignInFailed(_AGAIN)
        if not hmac.compare_digest(pending.browser, checksum(browser_secret)):
            raise SignInFailed(_AGAIN)
        claims = await self.provider.claims_of(code, pending.redirect_uri, pending.verifier, pending.nonce)
        return self._identity(claims), pending.page_query

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        email = str(claims.get("email") or "")
        username = str(claims.get("preferred_username") or email.partition("@")[0] or claims["sub"])
        name = str(claims.get("name") or "")
        role = self._roles.role_in(claims)
        return Identity(self.provider.settings.issuer, str(claims["sub"]), username, name, role)

    def _remember(self, state: str, pending: _Pending) -> None:
        now = time.monotonic()
        for old in [key for key, one in self._pending.items() if one.expires_at < now]:
            del self._pending[old]
        while len(self._pending) >= _MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        self._pending[state] = pending


def _challenge(verifier: str) -> str:
    """The S256 challenge of RFC 7636."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
