"""Maps rows of accounts, and of what proves them, to domain values. A damaged row raises `DamagedRow`."""

from __future__ import annotations

from app.domain.accounts import Account, AccountRole, ApiKey, AuditEntry, LinkKind, OneTimeLink, Scope, Session
from app.store.row_mapping import one_of, require_legible
from app.store.tables import ApiKeyRow, AuditRow, OneTimeLinkRow, SessionRow, UserRow


def account_from(row: UserRow) -> Account:
    """The account of a row."""
    require_legible(row)
    return Account(
        id=row.id,
        name=row.name,
        role=one_of(AccountRole, row, "role"),
        created_at=row.created_at,
        username=row.username,
        password_hash=row.password_hash,
        disabled_at=row.disabled_at,
        allow_training=row.allow_training,
    )


def session_from(row: SessionRow) -> Session:
    """The session of a row."""
    require_legible(row)
    return Session(
        id=row.id,
        user_id=row.user_id,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        device=row.device,
        address=row.address,
    )


def api_key_from(row: ApiKeyRow) -> ApiKey:
    """The key of a row; a scope that is unknown allows nothing."""
    require_legible(row)
    return ApiKey(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        scopes=frozenset(scope for scope in Scope if scope in row.scopes),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )


def link_from(row: OneTimeLinkRow) -> OneTimeLink:
    """The one-time link of a row."""
    require_legible(row)
    return OneTimeLink(
        id=row.id,
        kind=one_of(LinkKind, row, "kind"),
        role=one_of(AccountRole, row, "role"),
        user_id=row.user_id,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        note=row.note,
    )


def audit_entry_from(row: AuditRow) -> AuditEntry:
    """The audit log's entry of a row."""
    require_legible(row)
    return AuditEntry(
        at=row.created_at,
        actor_id=row.actor_id,
        actor=row.actor,
        action=row.action,
        target=row.target,
        details=row.details,
        sequence=row.sequence,
    )
