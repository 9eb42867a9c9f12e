"""Schemas of accounts, sessions, API keys, one-time links and the audit log. A secret goes out once, when made."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field

from app.api.schemas import Request, Text
from app.auth.passwords import MAX_CHARS
from app.auth.people import LONGEST_LINK, USUAL_LINK
from app.domain.accounts import (
    MAX_NAME,
    MAX_USERNAME,
    Account,
    AccountRole,
    ApiKey,
    AuditEntry,
    OneTimeLink,
    Principal,
    Scope,
    Session,
)

Username = Annotated[Text, Field(min_length=1, max_length=MAX_USERNAME)]
Name = Annotated[Text, Field(max_length=MAX_NAME)]
Password = Annotated[Text, Field(min_length=1, max_length=MAX_CHARS + 1)]  # a longer one gets an error of its own
Token = Annotated[Text, Field(min_length=1, max_length=100)]
_HOUR = timedelta(hours=1)


class SignInRequest(Request):
    """A user name and a password."""

    username: Username
    password: Password


class LookAtLink(Request):
    """The secret of a one-time link."""

    token: Token


class UseLink(LookAtLink):
    """What a one-time link needs: a password, and for an invitation also a user name."""

    password: Password
    username: Username | None = None
    name: Name = ""


class LinkPurpose(BaseModel):
    """What a one-time link is for: ``invitation`` or ``reset``, with the account's user name."""

    kind: str
    role: str
    username: str | None


class ChangeAccount(Request):
    """What to change; what is left out stays.

    ``allow_training``: whether judgements of one's new chats may become training data.
    """

    name: Name | None = None
    allow_training: bool | None = None


class ChangePassword(Request):
    """The current password and a new one."""

    current: Password
    new: Password


class NewKey(Request):
    """A name to tell the key by, and what it may be used for."""

    name: Annotated[Text, Field(min_length=1, max_length=MAX_NAME)]
    scopes: Annotated[frozenset[Scope], Field(min_length=1)] = frozenset({Scope.OPENAI})


class Invite(Request):
    """An invitation."""

    role: AccountRole = AccountRole.MEMBER
    note: Name = ""
    valid_hours: Annotated[int, Field(ge=1, le=LONGEST_LINK // _HOUR)] = USUAL_LINK // _HOUR


class ChangeUser(Request):
    """What to change of an account; what is left out stays."""

    name: Name | None = None
    role: AccountRole | None = None
    disabled: bool | None = None


class SessionNow(BaseModel):
    """Who is signed in: ``user`` is null for nobody; without ``login`` everybody is the local user.

    ``sso`` is the name of a service to sign in at: ``/login/oidc`` leads there.
    """

    login: bool
    user: dict[str, Any] | None
    sso: str | None = None


class NewLink(BaseModel):
    """A one-time link. `path` with its secret is shown this once; the page's address goes before it."""

    id: str
    path: str
    expires_at: datetime


def principal_json(who: Principal) -> dict[str, Any]:
    """Who somebody is, as the page needs it."""
    return {
        "id": who.user_id,
        "username": who.username,
        "name": who.name,
        "role": who.role,
        "session_id": who.session_id,
        "allow_training": who.allow_training,
    }


def account_json(account: Account) -> dict[str, Any]:
    """An account without its password."""
    return {
        "id": account.id,
        "username": account.username,
        "name": account.name,
        "role": account.role,
        "created_at": account.created_at,
        "disabled": account.disabled_at is not None,
        "allow_training": account.allow_training,
        "has_password": account.password_hash is not None,
    }


def session_json(session: Session, current: str | None = None) -> dict[str, Any]:
    """A session; ``current`` is the one that asks."""
    return {
        "id": session.id,
        "device": session.device,
        "address": session.address,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "current": session.id == current,
    }


def key_json(key: ApiKey) -> dict[str, Any]:
    """A key without its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
    }


def link_json(link: OneTimeLink) -> dict[str, Any]:
    """A one-time link without its secret."""
    return {
        "id": link.id,
        "kind": link.kind,
        "role": link.role,
        "user_id": link.user_id,
        "note": link.note,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
    }


def new_link(link: OneTimeLink, token: str) -> NewLink:
    """A link with its secret, in the fragment: browsers send that to nobody, so no log holds it."""
    return NewLink(id=link.id, path=link_path(token), expires_at=link.expires_at)


def link_path(token: str) -> str:
    """The address of a one-time link, without the server's."""
    return f"/login#{token}"


def audit_json(entry: AuditEntry) -> dict[str, Any]:
    """An administrative act."""
    return {
        "sequence": entry.sequence,
        "at": entry.at,
        "actor_id": entry.actor_id,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "details": dict(entry.details),
    }
