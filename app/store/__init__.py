"""Conversations, messages and ratings in a database; only domain objects come out.

:class:`Store` is opened by a server (one writer, group commit), :func:`reading` by a command that only reads.
What the words mean stands in :mod:`app.domain`; this package knows nothing of HTTP or of models.
"""

from app.store.database import Store, reading
from app.store.repositories import Repositories

__all__ = ["Repositories", "Store", "reading"]
