"""Alembic migrations: one file per revision in ``versions/``, oldest first by name."""
