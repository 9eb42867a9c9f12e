"""Errors of requests for replies, and of conversations."""

from __future__ import annotations

from app.errors.base import Conflict, InvalidRequest, NotFound


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


class ConversationNotFound(NotFound):
    code = "conversation_not_found"


class MessageNotFound(NotFound):
    code = "message_not_found"


class ReplyRunning(Conflict):
    code = "reply_running"


class ReplyNotRunning(Conflict):
    code = "reply_not_running"
