"""Checks that text can be stored in every database: no NUL, nothing that is not Unicode.

SQLite raises on lone surrogates and cuts at NUL in ``length()``; PostgreSQL refuses both.
"""

from __future__ import annotations

import json

from app.errors import InvalidRequest


def checked(text: str, what: str) -> str:
    """`text` itself. Raises :class:`InvalidRequest`, naming `what`, when it cannot be stored."""
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
    """Raises :class:`InvalidRequest`, naming `what`, when `value` is no JSON or holds text that cannot be stored."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError):
        raise InvalidRequest(f"The {what} holds a value that JSON cannot carry.", field=what) from None
    checked(text.replace("\\u0000", "\0"), what)
