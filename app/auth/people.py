"""What administrators do with the accounts of others, on the page and by ``parley users``.

Functions of a transaction, since a command has no running server; each notes itself in the audit log. `actor` is
``None`` for a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.auth.secret_tokens import checksum, new_token
from app.auth.sign_in import require_names
from app.domain.accounts import Account, AccountRole, AuditEntry, LinkKind, OneTimeLink, Principal, Session
from app.errors import InvalidRequest
from app.store import Repositories

LONGEST_LINK = timedelta(days=30)
USUAL_LINK = timedelta(days=3)


def add(r: Repositories, actor: Principal | None, username: str, name: str, role: AccountRole, hashed: str) -> Account:
    """Make an account with a password. Raises :class:`~app.errors.UsernameTaken`, :class:`InvalidRequest`."""
    require_names(username, name)
    account = r.users.add(username, name, role, hashed)
    r.audit.add(actor, "account_made", account.shown_name, {"role": role.value})
    return account


def invite(
    r: Repositories, actor: Principal | None, role: AccountRole, *, valid_for: timedelta = USUAL_LINK, note: str = ""
) -> tuple[OneTimeLink, str]:
    """A link that makes one account; returns its secret too, which is not stored. Raises :class:`InvalidRequest`."""
    if role is not AccountRole.ADMIN and not r.users.has_administrator():
        raise InvalidRequest("The first account has to be an administrator's.", field="role")
    token = new_token()
    link = r.one_time_links.add(
        LinkKind.INVITATION,
        checksum(token),
        _until(valid_for),
        role=role,
        created_by=actor.user_id if actor else None,
        note=note,
    )
    r.audit.add(actor, "invited", note, {"role": role.value, "invitation": link.id})
    return link, token


def reset_link(
    r: Repositories, actor: Principal | None, user_id: str, *, valid_for: timedelta = USUAL_LINK
) -> tuple[OneTimeLink, str]:
    """A link with which somebody sets a new password; the old one is valid until then."""
    account, token = r.users.get(user_id), new_token()
    link = r.one_time_links.add(
        LinkKind.RESET,
        checksum(token),
        _until(valid_for),
        role=account.role,
        created_by=actor.user_id if actor else None,
        user_id=user_id,
    )
    r.audit.add(actor, "reset_link_made", account.shown_name)
    return link, token


def withdraw_link(r: Repositories, actor: Principal | None, link_id: str) -> None:
    """Withdraw a link. Raises :class:`~app.errors.LinkNotFound`."""
    r.one_time_links.delete(link_id)
    r.audit.add(actor, "link_withdrawn", link_id)


def change(
    r: Repositories,
    actor: Principal | None,
    user_id: str,
    *,
    name: str | None = None,
    role: AccountRole | None = None,
    disabled: bool | None = None,
) -> Account:
    """Change what is given. Whoever is disabled is signed out, and their keys are revoked.

    Raises :class:`~app.errors.UserNotFound`, :class:`~app.errors.LastAdministrator`.
    """
    before = r.users.get(user_id)
    require_names(before.username or "", name or "")
    account = r.users.change(user_id, name=name, role=role, disabled=disabled)
    if disabled:
        r.sessions.delete_all(user_id)
        r.api_keys.delete_all(user_id)
    if disabled is not None and disabled != (before.disabled_at is not None):
        r.audit.add(actor, "account_disabled" if disabled else "account_enabled", account.shown_name)
    if role is not None and role is not before.role:
        r.audit.add(actor, "role_changed", account.shown_name, {"from": before.role.value, "to": role.value})
    if name is not None and name != before.name:
        r.audit.add(actor, "account_renamed", account.shown_name, {"from": before.shown_name})
    return account


def sign_out(r: Repositories, actor: Principal | None, user_id: str) -> int:
    """End all sessions of somebody; returns how many."""
    account, ended = r.users.get(user_id), r.sessions.delete_all(user_id)
    r.audit.add(actor, "signed_out", account.shown_name, {"sessions": ended})
    return ended


@dataclass(frozen=True, slots=True)
class Overview:
    """Everybody: accounts, and links that can still be used."""

    accounts: list[Account]
    links: list[OneTimeLink]
    sessions: dict[str, list[Session]]  # by person, the last used first


def overview(r: Repositories) -> Overview:
    """Everybody."""
    accounts = r.users.all()
    return Overview(accounts, r.one_time_links.all(), {a.id: r.sessions.of(a.id) for a in accounts})


def audit(r: Repositories, limit: int, *, before: int | None = None) -> list[AuditEntry]:
    """The newest administrative acts, or those before the one with the number `before`; the newest first."""
    return r.audit.newest(limit, before=before)


def _until(valid_for: timedelta) -> datetime:
    if not timedelta() < valid_for <= LONGEST_LINK:
        raise InvalidRequest(f"A link can be valid for up to {LONGEST_LINK.days} days.", field="valid_for")
    return datetime.now(UTC) + valid_for
