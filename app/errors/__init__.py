"""Every error that Parley raises on purpose.

    ParleyError
    ├── InvalidRequest          the request is wrong; the caller can fix it
    │   ├── InvalidSampling
    │   ├── PromptTooLong
    │   ├── InvalidImport
    │   ├── BodyTooLarge
    │   ├── UnsupportedRequest
    │   ├── ConversationRefused
    │   └── WeakPassword
    ├── NotSignedIn             nobody is signed in, or not any more
    │   ├── WrongPassword       at a sign-in, or where a password or passcode is asked for again
    │   ├── PasscodeNeeded      to read a shared conversation
    │   └── SignInFailed        at a provider of single sign-on
    ├── Forbidden               a wrong Host or Origin: another site's page
    │   └── NotAllowed          somebody is signed in who may not do this
    ├── NotFound
    │   ├── UserNotFound
    │   ├── SessionNotFound
    │   ├── ApiKeyNotFound
    │   ├── ShareNotFound       a shared conversation whose link has expired or was withdrawn
    │   ├── LinkNotFound        a one-time link that was used, has expired or never existed
    │   ├── ConversationNotFound
    │   ├── MessageNotFound
    │   ├── ModelNotFound
    │   ├── JobNotFound
    │   ├── RankingNotFound
    │   ├── JudgementNotFound
    │   ├── DatasetNotFound
    │   └── ImportedFileNotFound
    ├── Conflict                a valid request that the current state does not allow
    │   ├── UsernameTaken
    │   ├── LastAdministrator
    │   ├── ReplyRunning
    │   ├── ReplyNotRunning
    │   ├── ModelBusy
    │   ├── DatasetExists
    │   ├── DatasetBusy         another one is being built
    │   ├── JobRunning
    │   ├── JobNotRunning
    │   └── JobNotResumable
    ├── TooManyRequests         one person or program asks for too much at once
    │   └── TooManyAttempts     wrong passwords or links
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

from app.errors.accounts import (
    ApiKeyNotFound,
    LastAdministrator,
    LinkNotFound,
    NotAllowed,
    NotSignedIn,
    PasscodeNeeded,
    SessionNotFound,
    ShareNotFound,
    SignInFailed,
    TooManyAttempts,
    UsernameTaken,
    UserNotFound,
    WeakPassword,
    WrongPassword,
)
from app.errors.base import (
    ConfigurationError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    ParleyError,
    TooManyRequests,
    error_of,
)
from app.errors.chat import (
    BodyTooLarge,
    ConversationNotFound,
    ConversationRefused,
    InvalidImport,
    InvalidSampling,
    MessageNotFound,
    PromptTooLong,
    ReplyNotRunning,
    ReplyRunning,
    UnsupportedRequest,
)
from app.errors.engine import (
    EngineError,
    GenerationFailed,
    QueueFull,
    UpstreamFailed,
    UpstreamTimeout,
    WorkerDied,
    WorkerFailed,
)
from app.errors.feedback import (
    DatasetBusy,
    DatasetExists,
    DatasetNotFound,
    ImportedFileNotFound,
    JudgementNotFound,
    RankingNotFound,
)
from app.errors.jobs import (
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobNotResumable,
    JobNotRunning,
    JobRunning,
)
from app.errors.models import (
    DamagedWeights,
    FetchCancelled,
    FetchFailed,
    InvalidManifest,
    MissingExtra,
    ModelBusy,
    ModelError,
    ModelNotFetched,
    ModelNotFound,
    NotEnoughMemory,
)
from app.errors.store import (
    DatabaseDamaged,
    DatabaseGone,
    DatabaseTooNew,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreReadOnly,
)

__all__ = [
    "ApiKeyNotFound",
    "BodyTooLarge",
    "ConfigurationError",
    "Conflict",
    "ConversationNotFound",
    "ConversationRefused",
    "DamagedWeights",
    "DatabaseDamaged",
    "DatabaseGone",
    "DatabaseTooNew",
    "DatasetBusy",
    "DatasetExists",
    "DatasetNotFound",
    "EngineError",
    "FetchCancelled",
    "FetchFailed",
    "Forbidden",
    "GenerationFailed",
    "ImportedFileNotFound",
    "InvalidImport",
    "InvalidManifest",
    "InvalidRequest",
    "InvalidSampling",
    "JobCancelled",
    "JobFailed",
    "JobNotFound",
    "JobNotResumable",
    "JobNotRunning",
    "JobRunning",
    "JudgementNotFound",
    "LastAdministrator",
    "LinkNotFound",
    "MessageNotFound",
    "MissingExtra",
    "ModelBusy",
    "ModelError",
    "ModelNotFetched",
    "ModelNotFound",
    "NotAllowed",
    "NotEnoughMemory",
    "NotFound",
    "NotSignedIn",
    "ParleyError",
    "PasscodeNeeded",
    "PromptTooLong",
    "QueueFull",
    "RankingNotFound",
    "ReplyNotRunning",
    "ReplyRunning",
    "SessionNotFound",
    "ShareNotFound",
    "SignInFailed",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "TooManyAttempts",
    "TooManyRequests",
    "UnsupportedRequest",
    "UpstreamFailed",
    "UpstreamTimeout",
    "UserNotFound",
    "UsernameTaken",
    "WeakPassword",
    "WorkerDied",
    "WorkerFailed",
    "WrongPassword",
    "error_of",
]
