"""Accounts: people, what they may do, and what they prove it with. Secrets appear only as checksums."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

MAX_USERNAME = 64
MAX_NAME = 100


class AccountRole(StrEnum):
    """What a person may do. Each role may do what the next one may."""

    ADMIN = "admin"  # manages people and models, reviews judgements, builds datasets
    MEMBER = "member"  # chats, imports files, has API keys
    GUEST = "guest"  # chats and judges replies


class Scope(StrEnum):
    """What an API key may be used for."""

    OPENAI = "openai"  # the OpenAI-compatible API
    API = "api"  # the person's own data, through Parley's API
    ADMIN = "admin"  # what administrators may do, for keys of administrators


@dataclass(frozen=True, slots=True)
class Account:
    """A person. Without a `username` nobody can sign in: the local user before there are accounts, raters of files."""

    id: str
    name: str
    role: AccountRole
    created_at: datetime
    username: str | None = None
    password_hash: str | None = field(default=None, repr=False)
    disabled_at: datetime | None = None
    allow_training: bool | None = None  # may judgements of new chats become training data? None: not asked yet

    @property
    def may_sign_in(self) -> bool:
        """Whether the account has a login that was not disabled."""
        return self.username is not None and self.disabled_at is None

    @property
    def shown_name(self) -> str:
        """The name that others see."""
        return self.name or self.username or self.id


@dataclass(frozen=True, slots=True)
class Session:
    """A browser in which somebody is signed in."""

    id: str
    user_id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    device: str  # the browser's User-Agent
    address: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key for a program. `id` is its public part."""

    id: str
    user_id: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    last_used_at: datetime | None = None


class LinkKind(StrEnum):
    """What a one-time link is for."""

    INVITATION = "invitation"  # makes an account
    RESET = "reset"  # sets a new password


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """A link that its receiver may use once, until it expires."""

    id: str
    kind: LinkKind
    role: AccountRole  # of the account that it makes
    user_id: str | None  # whose password it sets
    created_by: str | None
    created_at: datetime
    expires_at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An administrative act. `actor` and `target` are names at that time: they stay when accounts are deleted."""

    at: datetime
    actor_id: str | None
    actor: str
    action: str
    target: str
    details: Mapping[str, Any]
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Principal:
    """Who sends a request: a person, and the session or key that proves it (neither where no login is needed)."""

    user_id: str
    name: str
    role: AccountRole
    username: str | None = None
    session_id: str | None = None
    key_id: str | None = None
    allow_training: bool | None = None
    scopes: frozenset[Scope] = frozenset(Scope)

    @property
    def is_admin(self) -> bool:
        """Whether administrators' routes are open to this request."""
        return self.role is AccountRole.ADMIN and Scope.ADMIN in self.scopes

    @property
    def credential_id(self) -> str | None:
        """The session or key, which may be revoked while the request runs."""
        return self.session_id or self.key_id


def folded_username(text: str) -> str:
    """A username as it is stored and compared: without differences of case, width or composition."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())
