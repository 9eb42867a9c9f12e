"""Time-sortable ids: 26 characters of Crockford's base 32, as in the ULID specification.

48 bits of Unix time in milliseconds, then 80 random bits. The order of ids is their order in time
(to the millisecond), and they can be used in URLs and file names.
"""

from __future__ import annotations

import hashlib
import secrets
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id() -> str:
    """A new id, e.g. ``01JDC3W9RS5V0EXAMPLE000000``."""
    return _text((time.time_ns() // 1_000_000) << 80 | secrets.randbits(80))


def stable_id(text: str) -> str:
    """An id that is always the same for `text`, and says nothing about it or about time."""
    return _text(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest()))


def _text(value: int) -> str:
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))
