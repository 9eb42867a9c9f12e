"""Time-sortable ids: 26 characters of Crockford's base 32, as in the ULID specification.

48 bits of Unix time in milliseconds, then 80 random bits. The order of ids is their order in time
(to the millisecond), and they can be used in URLs and file names.
"""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """A new id, e.g. ``01JDC3W9RS5V0EXAMPLE000000``."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
