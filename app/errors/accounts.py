"""Errors of accounts: signing in, what somebody may do, links and keys."""

from __future__ import annotations

from app.errors.base import Conflict, Forbidden, InvalidRequest, NotFound, ParleyError, TooManyRequests


class WeakPassword(InvalidRequest):
    """``details``: ``why`` (``short``, ``long`` or ``easy`` to guess), ``limit`` (characters)."""

    code = "weak_password"


class NotSignedIn(ParleyError):
    code = "not_signed_in"


class WrongPassword(NotSignedIn):
    code = "wrong_password"


class NotAllowed(Forbidden):
    code = "not_allowed"


class SignInFailed(NotSignedIn):
    code = "sign_in_failed"


class PasscodeNeeded(NotSignedIn):
    code = "passcode_needed"


class ShareNotFound(NotFound):
    code = "share_not_found"


class UserNotFound(NotFound):
    code = "user_not_found"


class SessionNotFound(NotFound):
    code = "session_not_found"


class ApiKeyNotFound(NotFound):
    code = "api_key_not_found"


class LinkNotFound(NotFound):
    code = "link_not_found"


class UsernameTaken(Conflict):
    code = "username_taken"


class LastAdministrator(Conflict):
    code = "last_administrator"


class TooManyAttempts(TooManyRequests):
    """``details``: ``retry_after_s``."""

    code = "too_many_attempts"
