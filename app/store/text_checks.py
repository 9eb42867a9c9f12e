"""Checks that text can be stored in every database: no NUL and no lone surrogates.

SQLite raises on lone surrogates, and its ``length()`` stops at NUL; PostgreSQL rejects both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.errors import InvalidRequest


def checked(text: str, what: str) -> str:
    """Return `text`. Raises :class:`InvalidRequest`, naming `what`, when it cannot be stored."""
    if "\0" in text:
        raise InvalidRequest(f"The {what} holds a NUL character. Remove it and send it again.", field=what)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest(
            f"The {what} holds half of a surrogate pair, which is not a character. Send it as valid Unicode.",
            field=what,
        ) from None
    return text


def checked_json(value: object, what: str) -> None:
    """Raise :class:`InvalidRequest`, naming `what`, if `value` is not JSON or contains text that cannot be stored."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError):
        raise InvalidRequest(f"The {what} holds a value that JSON cannot carry.", field=what) from None
    checked(text.replace("\\u0000", "\0"), what)


def storable_details(details: Mapping[str, object] | None) -> dict[str, Any] | None:
    """An error's details as far as they can be stored: what they name must not keep the error itself from it."""
    found: dict[str, Any] = {}
    for name, value in (details or {}).items():
        try:
            checked_json({name: value}, "error details")
        except InvalidRequest:
            continue
        found[name] = value
    return found or None


def storable_text(text: str) -> str:
    """`text` with what can't be stored replaced: an error must be kept whatever file name it quotes."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
