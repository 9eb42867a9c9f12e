"""Alembic's migrations: one file per revision under ``versions/``, oldest first by name."""
