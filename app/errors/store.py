"""Errors of the database."""

from __future__ import annotations

from app.errors.base import ParleyError


class StoreError(ParleyError):
    code = "store_error"


class StoreBusy(StoreError):
    """``details``: ``retry_after_s``."""

    code = "store_busy"


class StoreFull(StoreError):
    code = "store_full"


class StoreReadOnly(StoreError):
    code = "store_read_only"


class DatabaseGone(StoreError):
    code = "database_gone"


class DatabaseTooNew(StoreError):
    code = "database_too_new"


class DatabaseDamaged(StoreError):
    code = "database_damaged"
