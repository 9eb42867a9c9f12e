"""Dates, names of models and texts in other programs' files, each written in its own way.

What can't be read is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.models.references import with_adapter

MAX_MODEL_CHARS = 200
_DATES = (
    *("created_at", "createdAt", "create_time", "created_date", "timestamp", "date", "send_date", "inserted_at"),
    *("tstamp",),
)
_MODELS = ("model", "model_id", "modelName", "model_name")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # a smaller number isn't a time
_MILLISECONDS = 100_000_000_000  # from here on a number counts milliseconds: as seconds it would be the year 5138


def date_of(record: Mapping[str, Any]) -> datetime | None:
    """When a message or conversation was made, in UTC: ISO 8601, or seconds or milliseconds since 1970."""
    found = (moment(record.get(name)) for name in _DATES)
    return next((at for at in found if at is not None), None)


def moment(value: object) -> datetime | None:
    """A date as files have it, in UTC; ``None`` for what is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value.strip())
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        else:
            at = datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS else value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    # A day of tolerance: clocks differ. A later date would keep the conversation at the top of the list.
    return at if _EARLIEST <= at <= datetime.now(UTC) + timedelta(days=1) else None


def model_of(record: Mapping[str, Any]) -> str:
    """The model that a message or conversation names, or ""; of a conversation with several models, none."""
    models = record.get("models")
    only = models[0] if isinstance(models, list) and len(models) == 1 else None
    for value in (*(record.get(name) for name in _MODELS), only):
        if isinstance(value, str) and (name := _name(value)):
            return name
    return ""


def parley_model_of(record: Mapping[str, Any]) -> str:
    """The model of a message in Parley's own JSON: its provenance's, or what it was imported with."""
    made = record.get("provenance")
    if not isinstance(made, dict):
        return model_of({"model": record.get("imported_model")})
    adapter = made.get("adapter")
    name = model_of({"model": made.get("model_id")})
    return with_adapter(name, _name(adapter)) if name and isinstance(adapter, str) and _name(adapter) else name


def storable(text: str) -> str:
    """`text` as every database can store it: without NUL, halves of surrogate pairs replaced."""
    text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _name(value: str) -> str:
    """`value` in one line of visible characters, which every database can store."""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())[:MAX_MODEL_CHARS]
