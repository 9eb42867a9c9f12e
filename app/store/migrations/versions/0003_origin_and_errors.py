"""Details of a failed reply's error, and the model that an imported file names for a reply."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns. A reply without provenance was imported, without what its file said about its model."""
    op.add_column("messages", sa.Column("error_details", sa.JSON))
    op.add_column("messages", sa.Column("imported_model", sa.Text))
    op.execute("UPDATE messages SET imported_model = '' WHERE role = 'assistant' AND model_id IS NULL")
