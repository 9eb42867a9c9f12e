"""Index all texts again: tokens without accents, single characters in Thai, Lao, Khmer and Burmese, separate digits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app.store.search import document

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BATCH = 500
_DOCUMENTS = sa.table("search_documents", sa.column("id"), sa.column("text"))
_TEXTS = """
SELECT d.id, d.text, {content}
FROM search_documents d JOIN conversations c ON c.id = d.conversation_id LEFT JOIN messages m ON m.id = d.message_id
WHERE d.id > :after ORDER BY d.id LIMIT :batch
"""
_CONTENT = "COALESCE(m.content, c.title)"
_AS_BYTES = f"CAST({_CONTENT} AS BLOB)"  # a damaged text must not stop the migration


def upgrade() -> None:
    """Replace the documents whose tokens differ."""
    connection, after = op.get_bind(), 0
    content = _AS_BYTES if connection.dialect.name == "sqlite" else _CONTENT
    query = sa.text(_TEXTS.format(content=content))
    while rows := connection.execute(query, {"after": after, "batch": _BATCH}).all():
        after = rows[-1][0]
        for row_id, former, raw in rows:
            text = document(raw.decode(errors="replace") if isinstance(raw, bytes) else raw)
            if text != former:
                connection.execute(sa.update(_DOCUMENTS).where(_DOCUMENTS.c.id == row_id).values(text=text))
