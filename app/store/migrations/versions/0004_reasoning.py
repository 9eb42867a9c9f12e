"""Columns for the reasoning of replies; that of earlier replies is taken out of their text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.domain.reasoning import TAGS, split
from app.store.search import document

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BATCH = 200
_MESSAGES = sa.table("messages", sa.column("id"), sa.column("content"), sa.column("reasoning"))
_DOCUMENTS = sa.table("search_documents", sa.column("message_id"), sa.column("text"))
_REPLIES = """
SELECT id, {content} FROM messages WHERE role = 'assistant' AND id > :after AND ({tagged}) ORDER BY id LIMIT :batch
"""


def upgrade() -> None:
    """Add the columns, and split the replies that contain tags."""
    op.add_column("messages", sa.Column("reasoning", sa.Text, nullable=False, server_default=""))
    op.add_column("messages", sa.Column("thinking_ms", sa.Integer))
    connection, after = op.get_bind(), ""
    # As bytes: a damaged text must not stop the migration.
    content = "CAST(content AS BLOB)" if connection.dialect.name == "sqlite" else "content"
    tags = {f"tag{n}": f"%{tag}%" for n, tag in enumerate(sorted({*TAGS, *TAGS.values()}))}
    query = sa.text(_REPLIES.format(content=content, tagged=" OR ".join(f"content LIKE :{name}" for name in tags)))
    while rows := connection.execute(query, {"after": after, "batch": _BATCH, **tags}).all():
        after = rows[-1][0]
        for message_id, raw in rows:
            _split(connection, message_id, raw)


def _split(connection: sa.Connection, message_id: str, raw: str | bytes) -> None:
    try:
        said = split(raw.decode() if isinstance(raw, bytes) else raw)
    except UnicodeDecodeError:  # damaged: left as it is
        return
    if not said.reasoning:
        return
    own = _MESSAGES.c.id == message_id
    connection.execute(sa.update(_MESSAGES).where(own).values(content=said.text, reasoning=said.reasoning))
    indexed = _DOCUMENTS.c.message_id == message_id
    if said.text:
        connection.execute(sa.update(_DOCUMENTS).where(indexed).values(text=document(said.text)))
    else:
        connection.execute(sa.delete(_DOCUMENTS).where(indexed))
