"""Make SentencePiece models byte by byte, right and wrong ones: nothing is shared with the reader."""

from __future__ import annotations

import struct
from collections.abc import Iterable

Piece = tuple[str, float, int]  # text, score, type

UNKNOWN, CONTROL, NORMAL, BYTE = 2, 3, 1, 6
LLAMA_PIECES: tuple[Piece, ...] = (
    ("<unk>", 0.0, UNKNOWN),
    ("<s>", 0.0, CONTROL),
    ("</s>", 0.0, CONTROL),
    *((f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)),
    *((text, -float(i), NORMAL) for i, text in enumerate(["\u2581a", "\u2581ab", "\u2581", "a", "b", "é"])),
)


def varint(value: int) -> bytes:
    """Seven bits in each byte, the lowest first."""
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(field << 3) + varint(value)


def message(field: int, data: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(field << 3 | 2) + varint(len(data)) + data


def model(
    pieces: Iterable[Piece] = LLAMA_PIECES,
    *,
    model_type: int = 2,
    byte_fallback: bool = True,
    dummy_prefix: bool = True,
    extra_spaces_removed: bool = False,
    charsmap: bytes = b"",
) -> bytes:
    """A model file of these tokens; what is not said otherwise is as in LLaMA's."""
    trainer = number(3, model_type) + number(35, byte_fallback) + number(40, 0)
    normalizer = message(1, b"identity") + number(3, dummy_prefix) + number(4, extra_spaces_removed)
    if charsmap:
        normalizer += message(2, charsmap)
    return b"".join(message(1, piece(*one)) for one in pieces) + message(2, trainer) + message(3, normalizer)


def piece(text: str, score: float, kind: int) -> bytes:
    """One token; the type is left out where it is the usual one."""
    found = message(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score)
    return found if kind == NORMAL else found + number(3, kind)
