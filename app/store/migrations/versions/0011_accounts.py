"""Accounts: logins, sessions, API keys, one-time links, daily usage and the audit log.

The local user, who owns everything so far, becomes an administrator, and the first account will be theirs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store.column_types import Json, UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ROLE = "role IN ('admin', 'member', 'guest')"


def upgrade() -> None:
    """Add the columns and the tables, without rebuilding that of the people, which has damaged rows perhaps."""
    check = f"CONSTRAINT ck_users_role CHECK ({_ROLE})"  # written out: Alembic would rebuild the table for it
    op.execute(f"ALTER TABLE users ADD COLUMN role VARCHAR(16) DEFAULT 'guest' NOT NULL {check}")
    op.add_column("users", sa.Column("username", sa.Text))
    op.add_column("users", sa.Column("password_hash", sa.Text))
    op.add_column("users", sa.Column("disabled_at", UtcDateTime))
    op.add_column("users", sa.Column("sso_issuer", sa.Text))
    op.add_column("users", sa.Column("sso_subject", sa.Text))
    op.add_column("users", sa.Column("allow_training", sa.Boolean))
    op.create_index(op.f("ix_users_username"), "users", ["username"], unique=True)
    op.create_index(op.f("ix_users_sso_issuer_sso_subject"), "users", ["sso_issuer", "sso_subject"], unique=True)
    op.execute("UPDATE users SET role = 'admin' WHERE id = 'local'")
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        _user("user_id", nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        _user("user_id", nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", Json(list), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime),
    )
    op.create_table(
        "one_time_links",
        sa.Column("id", sa.String(26), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        _user("user_id"),
        _user("created_by", on_delete="SET NULL"),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.UniqueConstraint("digest"),
        sa.CheckConstraint("kind IN ('invitation', 'reset')", name=op.f("ck_one_time_links_kind")),
        sa.CheckConstraint(_ROLE, name=op.f("ck_one_time_links_role")),
    )
    op.create_table(
        "audit_log",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("actor_id", sa.String(26)),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("details", Json(dict), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "daily_usage",
        sa.Column("user_id", sa.String(26), sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("replies", sa.Integer, nullable=False),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("completion_tokens", sa.Integer, nullable=False),
    )
    for table in ("sessions", "api_keys", "one_time_links"):
        op.create_index(op.f(f"ix_{table}_user_id"), table, ["user_id"])


def _user(column: str, *, nullable: bool = True, on_delete: str = "CASCADE") -> sa.Column[str]:
    return sa.Column(column, sa.String(26), sa.ForeignKey("users.id", ondelete=on_delete), nullable=nullable)
