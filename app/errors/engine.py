"""Errors while a reply is generated."""

from __future__ import annotations

from app.errors.base import ParleyError


class EngineError(ParleyError):
    code = "engine_error"


class QueueFull(EngineError):
    """``details``: ``waiting``, ``retry_after_s``."""

    code = "queue_full"


class WorkerFailed(EngineError):
    """``details``: ``model_id``."""

    code = "worker_failed"


class WorkerDied(EngineError):
    """``details``: ``model_id``."""

    code = "worker_died"


class GenerationFailed(EngineError):
    code = "generation_failed"


class UpstreamFailed(EngineError):
    """``details``: ``status`` when the upstream answered."""

    code = "upstream_failed"


class UpstreamTimeout(EngineError):
    """``details``: ``timeout_s``."""

    code = "upstream_timeout"
