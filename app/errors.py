"""Every error that Parley raises on purpose.

    ParleyError
    ├── InvalidRequest          the request is wrong; the caller can fix it
    │   ├── InvalidSampling
    │   ├── PromptTooLong
    │   ├── InvalidImport
    │   ├── BodyTooLarge
    │   ├── UnsupportedRequest
    │   └── ConversationRefused
    ├── Forbidden               a wrong Host or Origin: another site's page
    ├── NotFound
    │   ├── ConversationNotFound
    │   ├── MessageNotFound
    │   ├── ModelNotFound
    │   ├── JobNotFound
    │   ├── RankingNotFound
    │   ├── JudgementNotFound
    │   └── DatasetNotFound
    ├── Conflict                a valid request that the current state does not allow
    │   ├── ReplyRunning
    │   ├── ReplyNotRunning
    │   ├── ModelBusy
    │   ├── DatasetExists
    │   ├── DatasetBusy         another one is being built
    │   ├── JobRunning
    │   ├── JobNotRunning
    │   └── JobNotResumable
    ├── TooManyRequests         one person or program asks for too much at once
    ├── ModelError              a model cannot be used
    │   ├── InvalidManifest
    │   ├── ModelNotFetched
    │   ├── DamagedWeights
    │   ├── NotEnoughMemory
    │   ├── FetchFailed
    │   ├── FetchCancelled
    │   └── MissingExtra
    ├── EngineError             generation failed
    │   ├── QueueFull
    │   ├── WorkerFailed        the worker would not start
    │   ├── WorkerDied          the worker died while it had requests
    │   ├── GenerationFailed    this request failed; others did not
    │   ├── UpstreamFailed
    │   └── UpstreamTimeout
    ├── StoreError
    │   ├── StoreBusy
    │   ├── StoreFull
    │   ├── StoreReadOnly       nothing can be saved, but everything can be read
    │   ├── DatabaseGone        its file was deleted or replaced while it was open
    │   ├── DatabaseTooNew
    │   └── DatabaseDamaged
    ├── JobFailed               a job ended without saying why
    ├── JobCancelled
    └── ConfigurationError      settings or command line: exit code 2

A message says what happened and what to do next, in English. ``code`` is unique per class and never
changes; front ends translate by ``code`` and fill in ``details`` (JSON values only, no secrets).
HTTP statuses live in :mod:`app.api.errors` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar


class ParleyError(Exception):
    """Base class. ``message`` is for users, ``details`` for programs."""

    code: ClassVar[str] = "parley_error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, object] = details

    def payload(self) -> dict[str, object]:
        """The error as JSON, in the same form everywhere: ``{"code", "message", "details"}``."""
        return {"code": self.code, "message": self.message, "details": self.details}


class InvalidRequest(ParleyError):
    code = "invalid_request"


class InvalidSampling(InvalidRequest):
    """``details``: ``field``."""

    code = "invalid_sampling"


class PromptTooLong(InvalidRequest):
    """``details``: ``prompt_tokens``, ``context_tokens``."""

    code = "prompt_too_long"


class InvalidImport(InvalidRequest):
    code = "invalid_import"


class BodyTooLarge(InvalidRequest):
    """``details``: ``limit_bytes``."""

    code = "body_too_large"

    @classmethod
    def over(cls, limit: int) -> BodyTooLarge:
        """For a body of more than `limit` bytes."""
        return cls(f"This request is too large: the limit is {limit / 1e6:.3g} MB.", limit_bytes=limit)


class UnsupportedRequest(InvalidRequest):
    """Well-formed, but Parley does not do this (``n=2``, tools). ``details``: ``field``."""

    code = "unsupported_request"


class ConversationRefused(InvalidRequest):
    """The model's prompt format has no place for this conversation. ``details``: ``reason``, its own words."""

    code = "conversation_refused"


class Forbidden(ParleyError):
    code = "forbidden"


class NotFound(ParleyError):
    code = "not_found"


class ConversationNotFound(NotFound):
    code = "conversation_not_found"


class MessageNotFound(NotFound):
    code = "message_not_found"


class ModelNotFound(NotFound):
    """``details``: ``model_id``, ``known`` (ids)."""

    code = "model_not_found"


class JobNotFound(NotFound):
    code = "job_not_found"


class RankingNotFound(NotFound):
    code = "ranking_not_found"


class JudgementNotFound(NotFound):
    code = "judgement_not_found"


class DatasetNotFound(NotFound):
    """``details``: ``name``."""

    code = "dataset_not_found"


class Conflict(ParleyError):
    code = "conflict"


class ReplyRunning(Conflict):
    code = "reply_running"


class ReplyNotRunning(Conflict):
    code = "reply_not_running"


class ModelBusy(Conflict):
    """``details``: ``model_id``."""

    code = "model_busy"


class JobRunning(Conflict):
    code = "job_running"


class JobNotRunning(Conflict):
    code = "job_not_running"


class JobNotResumable(Conflict):
    code = "job_not_resumable"


class DatasetExists(Conflict):
    """``details``: ``name``."""

    code = "dataset_exists"


class DatasetBusy(Conflict):
    code = "dataset_busy"


class TooManyRequests(ParleyError):
    """``details``: ``retry_after_s``."""

    code = "too_many_requests"


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


class JobFailed(ParleyError):
    """``details``: ``job_id``, ``exit_code``."""

    code = "job_failed"


class JobCancelled(ParleyError):
    """Raised inside a job that has been cancelled."""

    code = "job_cancelled"


class ConfigurationError(ParleyError):
    code = "configuration_error"


def error_of(code: str, message: str, details: Mapping[str, object]) -> ParleyError:
    """The error of this payload, such as one that another process reported; the base class if `code` is unknown."""
    found = next((cls for cls in _classes(ParleyError) if cls.code == code), ParleyError)
    return found(message, **details)


def _classes(base: type[ParleyError]) -> Iterator[type[ParleyError]]:
    yield base
    for cls in base.__subclasses__():
        yield from _classes(cls)
