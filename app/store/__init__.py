"""The database of conversations, messages and ratings. It takes and returns domain objects only.

A server opens a :class:`Store` (one writer, group commit), a command that only reads uses :func:`reading`, one that
makes a short change while a server may be running :func:`writing`. The terms are defined in :mod:`app.domain`; this
package knows nothing of HTTP or of models.
"""

from app.store.database import Store, reading, writing
from app.store.repositories import Repositories

__all__ = ["Repositories", "Store", "reading", "writing"]
