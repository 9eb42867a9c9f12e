"""Secrets of sessions, API keys and one-time links. The store holds their checksums only."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Self

_KEY = re.compile(r"sk-([0-9a-z]{16})_([0-9A-Za-z_-]{43})")
_ID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_token() -> str:
    """A secret of 256 random bits, as 43 characters that can be used in a URL."""
    return secrets.token_urlsafe(32)


def checksum(token: str) -> str:
    """The SHA-256 of a secret. Without salt or repetition: nobody guesses 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class KeyText:
    """An API key as a program sends it: ``sk-<id>_<secret>``."""

    id: str
    secret: str

    @classmethod
    def new(cls) -> Self:
        """A new key."""
        return cls("".join(secrets.choice(_ID_ALPHABET) for _ in range(16)), new_token())

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The parts of a key; ``None`` if it is none of ours."""
        found = _KEY.fullmatch(text)
        return cls(*found.groups()) if found else None

    def __str__(self) -> str:
        return f"sk-{self.id}_{self.secret}"

    def __repr__(self) -> str:
        return f"KeyText({self.id!r})"
