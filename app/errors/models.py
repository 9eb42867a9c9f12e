"""Errors of models and their files."""

from __future__ import annotations

from app.errors.base import Conflict, NotFound, ParleyError


class ModelNotFound(NotFound):
    """``details``: ``model_id``, ``known`` (ids)."""

    code = "model_not_found"


class ModelBusy(Conflict):
    """``details``: ``model_id``."""

    code = "model_busy"


class ModelError(ParleyError):
    code = "model_error"


class InvalidManifest(ModelError):
    """``details``: ``path``."""

    code = "invalid_manifest"


class ModelNotFetched(ModelError):
    """``details``: ``model_id``, ``size_bytes``."""

    code = "model_not_fetched"


class DamagedWeights(ModelError):
    """``details``: ``model_id``, ``file``."""

    code = "damaged_weights"


class NotEnoughMemory(ModelError):
    """``details``: ``model_id``, ``needed_bytes``, ``available_bytes``."""

    code = "not_enough_memory"


class FetchFailed(ModelError):
    """``details``: ``model_id``."""

    code = "fetch_failed"


class FetchCancelled(ModelError):
    code = "fetch_cancelled"


class MissingExtra(ModelError):
    """A feature needs an optional package. ``details``: ``extra``."""

    code = "missing_extra"
