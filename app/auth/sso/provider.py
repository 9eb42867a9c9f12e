"""An OpenID Connect provider: its addresses, its keys, and what its tokens say.

https://openid.net/specs/openid-connect-core-1_0.html, …-discovery-1_0.html. Only asymmetric signatures are accepted, of
keys that the provider publishes; a key that is not known is looked for once more, since providers change them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError, MissingKeyError
from joserfc.jwk import KeySet

from app.errors import ConfigurationError, SignInFailed

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519")
_TIMEOUT = httpx.Timeout(10.0)
_LEEWAY_S = 60
_KEYS_AT_MOST_EVERY_S = 30.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """The client that an administrator has registered at the provider."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: str = "openid profile email"


class Provider:
    """Asks the provider. Nothing is asked before somebody signs in."""

    def __init__(self, settings: ProviderSettings) -> None:
        require_safe(settings.issuer)
        self.settings = settings
        self._metadata: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None
        self._keys_at = 0.0

    async def endpoint(self, name: str) -> str:
        """An address of the provider, e.g. ``authorization_endpoint``. Raises :class:`SignInFailed`."""
        address = (await self._discovered()).get(name)
        if not isinstance(address, str):
            raise SignInFailed(f"The sign-in service names no {name}.")
        try:
            require_safe(address)
        except ConfigurationError as err:
            raise SignInFailed(err.message) from err
        return address

    async def claims_of(self, code: str, redirect_uri: str, verifier: str, nonce: str) -> Mapping[str, Any]:
        """What the ID token says for which `code` is exchanged. Raises :class:`SignInFailed`."""
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": self.settings.client_id,
        }
        secret = self.settings.client_secret
        auth = httpx.BasicAuth(self.settings.client_id, secret) if secret else None
        found = await _asked("POST", await self.endpoint("token_endpoint"), data=body, auth=auth)
        token = found.get("id_token")
        if not isinstance(token, str):
            raise SignInFailed("The sign-in service sent no ID token.")
        return await self._verified(token, nonce)

    async def _verified(self, token: str, nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token that is valid, for us, and for this attempt."""
        try:
            claims = await self._decoded(token)
            jwt.JWTClaimsRegistry(
                leeway=_LEEWAY_S,
                iss={"essential": True, "value": self.settings.issuer},
                sub={"essential": True},
                aud={"essential": True, "value": self.settings.client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError, TypeError) as err:
            raise SignInFailed(f"The sign-in service's ID token is not valid ({type(err).__name__}).") from err
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != self.settings.client_id:
            raise SignInFailed("The sign-in service's ID token is for another program.")
        return claims

    async def _decoded(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, await self._key_set(), algorithms=ALGORITHMS).claims
        except (InvalidKeyIdError, MissingKeyError, ValueError):  # a key that came after we had read them
            return jwt.decode(token, await self._key_set(again=True), algorithms=ALGORITHMS).claims

    async def _key_set(self, *, again: bool = False) -> KeySet:
        is_old = time.monotonic() - self._keys_at > _KEYS_AT_MOST_EVERY_S
        if self._keys is None or (again and is_old):
            found = await _asked("GET", await self.endpoint("jwks_uri"))
            self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
            self._keys_at = time.monotonic()
        return self._keys

    async def _discovered(self) -> Mapping[str, Any]:
        if self._metadata is None:
            issuer = self.settings.issuer
            found = await _asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise SignInFailed(
                    f"The sign-in service calls itself {str(found.get('issuer'))[:200]!r}, not {issuer!r}. "
                    "PARLEY_OIDC_ISSUER has to be exactly that."
                )
            self._metadata = found
        return self._metadata


async def _asked(method: str, address: str, **options: Any) -> dict[str, Any]:
    """The JSON object at an address of the provider. No redirects: what it names is what it is asked."""
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as client:
            answer = await client.request(method, address, headers={"accept": "application/json"}, **options)
            found = answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError) as err:
        raise SignInFailed(f"The sign-in service can't be reached ({type(err).__name__}). Try again later.") from err
    if not isinstance(found, dict):
        raise SignInFailed(f"The sign-in service refused the sign-in ({answer.status_code}). Try again.")
    return found


def require_safe(address: str) -> None:
    """Raise :class:`ConfigurationError` unless it is an https address, or one of this machine."""
    parts = urlsplit(address)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname or parts.username or parts.fragment:
        raise ConfigurationError(f"{address[:200]!r} is no https address, so nobody is sent there to sign in.")
