"""Protocol between the engine and its worker: JSON objects, each behind its length, over a socket pair.

To the worker (``id`` is the engine's number of the request):

    {"op": "render", "id", …}                                   → {"id", "text", "n", "ids"}; no ids where n is too many
    {"op": "generate", "id", "ids", "sampling", "adapter"}      → frames with "step", until one says that it ended
    {"op": "cancel", "id"}                                      no answer, and no further output of that request
    {"op": "busy", "id"}                                        → {"id", "busy": requests that are being computed}
    {"op": "control_tokens", "id"}                              → {"id", "control", "defined"}: ids by text, see
                                                                  :class:`app.engine.control_tokens.ControlTokens`

A ``render`` carries one of:

    "text", "prefill", "native"             a prompt and the beginning of the reply; control tokens in them are parsed.
                                            "native": by the checkpoint's template, with all special tokens in it
    "text", "pieces", "begun", "native"     a prompt that spells control tokens: the ids of its own, and the texts
                                            between them. "begun": the format itself begins with bos
    "messages", "prefill"                   for a tokenizer with a format of its own

From the worker, besides the answers: ``{"id", "error": "why"}`` for a ``render`` that failed, and after each step of
the batch one ``{"step": [...]}`` with a list of :class:`StepOutput`.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

LENGTH = struct.Struct("!I")


class StepOutput(NamedTuple):
    """One request's output of one step."""

    id: int
    text: str  # may be empty: an incomplete character is held back
    n_tokens: int
    end: str | None = None  # "stop", "length" or "error"
    cached_tokens: int = 0  # with the end
    error: str = ""  # with the end "error"


def pack(frame: Mapping[str, Any]) -> bytes:
    """Encode one frame. Lone surrogates survive: a user can type them."""
    body = json.dumps(frame, separators=(",", ":")).encode()
    return LENGTH.pack(len(body)) + body


def read(connection: socket.socket) -> dict[str, Any] | None:
    """Read the next frame, blocking; ``None`` when the other side has closed the connection."""
    head = _exactly(connection, LENGTH.size)
    body = _exactly(connection, LENGTH.unpack(head)[0]) if head else None
    return None if body is None else json.loads(body)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return bytes(data)
