"""The database of conversations, messages, ratings and jobs. It takes and returns domain objects only.

A server opens a :class:`Store` (one writer, group commit). A command that only reads uses :func:`reading`, one that
changes a row :func:`changing`. The terms are defined in :mod:`app.domain`; this package knows nothing of HTTP or of
models.
"""

from app.store.database import Store, changing, reading
from app.store.repositories import Repositories

__all__ = ["Repositories", "Store", "changing", "reading"]
