"""Error messages for an upstream's refusals and failures."""

from __future__ import annotations

import json
from typing import Any

from app.errors import ParleyError, PromptTooLong, UpstreamFailed

_MAX_QUOTED_CHARS = 300
_TOO_LONG = ("context_length_exceeded", "exceed_context_size_error", "maximum context length")

_CURES = {
    401: "it rejected the API key. Check the environment variable named by api_key_env in the manifest.",
    403: "it rejected the API key. Check the environment variable named by api_key_env in the manifest.",
    404: "it doesn't know this model, or its address is wrong. Check base_url and model in the manifest.",
    429: "it is busy, or your account's limit is reached. Try again later.",
}


class Refusal(Exception):
    """The upstream answered with an error."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


def is_too_long(refusal: Refusal) -> bool:
    """Whether the upstream refused a prompt that exceeds the model's context."""
    said = refusal.body.decode(errors="replace")
    return refusal.status in (400, 413, 422, 500) and any(sign in said for sign in _TOO_LONG)


def refusal_error(refusal: Refusal) -> ParleyError:
    """The error for an upstream's answer with an error status, or with an error in its stream."""
    message = _message(refusal.body)
    status = refusal.status
    if is_too_long(refusal):
        return PromptTooLong(
            f"This text is too long for the model. Its server reported: {message} Shorten it, or start a new "
            "conversation."
        )
    if status in _CURES:
        cure = _CURES[status]
    elif status >= 500:
        cure = "it had an internal error. Try again; if that doesn't help, check its log."
    else:
        cure = "it rejected the request."
    text = f"This model's server answered with HTTP {status}: {cure} It reported: {message}"
    return UpstreamFailed(text, status=status)


def unreachable(base_url: str) -> UpstreamFailed:
    """The error for an unreachable `base_url`."""
    return UpstreamFailed(
        f"This model's server cannot be reached at {base_url}. Is it running? Start it, then try again."
    )


def cut_off() -> UpstreamFailed:
    """The error for a connection that ended before the reply did."""
    return UpstreamFailed("The connection to this model's server broke in the middle of the reply. Try again.")


def _message(body: bytes) -> str:
    """The message in an error body, shortened for display."""
    text = body.decode(errors="replace")
    try:
        found: Any = json.loads(text)
        error = found.get("error", found)
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, AttributeError):
        pass
    text = " ".join(text.replace("\0", " ").split())[:_MAX_QUOTED_CHARS]
    return f"“{text.encode(errors='replace').decode()}”"
