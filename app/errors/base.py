"""The base of all errors, and the kinds that callers tell apart."""

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


class Forbidden(ParleyError):
    code = "forbidden"


class NotFound(ParleyError):
    code = "not_found"


class Conflict(ParleyError):
    code = "conflict"


class TooManyRequests(ParleyError):
    """``details``: ``retry_after_s``."""

    code = "too_many_requests"


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
