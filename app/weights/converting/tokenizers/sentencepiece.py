"""Reads a SentencePiece model (``tokenizer.model``): tokens, scores and normalizer settings.

The file is a Protocol Buffers message (https://protobuf.dev/programming-guides/encoding/) with the schema
``sentencepiece_model.proto`` of https://github.com/google/sentencepiece. Only a few fields are needed and the file is
untrusted, so this parser reads just these, within limits, and rejects malformed files.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import DamagedWeights

_MAX_BYTES = 64 << 20  # LLaMA's has 0.5 MB
_MAX_TOKENS = 1 << 22
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types

UNIGRAM, BPE = 1, 2  # TrainerSpec.model_type

Value = int | bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """One token."""

    text: str
    score: float
    kind: int  # as :class:`app.weights.converting.vocabulary.TokenType` numbers them


@dataclass(slots=True)
class SentencePiece:
    """The contents of a model file; the defaults are those of the format."""

    pieces: list[Piece] = field(default_factory=list)
    model_type: int = UNIGRAM
    byte_fallback: bool = False
    treat_whitespace_as_suffix: bool = False
    charsmap: bytes = b""  # compiled normalization rules
    add_dummy_prefix: bool = True
    remove_extra_whitespaces: bool = True
    escape_whitespaces: bool = True


def read_sentencepiece(path: Path) -> SentencePiece:
    """Read a model. Raises :class:`DamagedWeights` (never anything else) with the reason."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        return _model(data)
    except OSError as err:
        raise DamagedWeights(f"{path.name} can't be read: {err.strerror}.", file=path.name) from err
    except _Bad as bad:
        raise DamagedWeights(
            f"{path.name} is damaged or not a SentencePiece model: {bad}. Download it again.",
            file=path.name,
            reason=str(bad),
        ) from bad


class _Bad(Exception):
    """The file is invalid; the message is the reason."""


def _model(data: bytes) -> SentencePiece:
    if len(data) > _MAX_BYTES:
        raise _Bad("it is too large")
    found = SentencePiece()
    for number, value in _fields(data):
        if number == 1:
            found.pieces.append(_piece(_message(value)))
            if len(found.pieces) > _MAX_TOKENS:
                raise _Bad(f"it has more than {_MAX_TOKENS:,} tokens")
        elif number == 2:
            _trainer(found, _message(value))
        elif number == 3:
            _normalizer(found, _message(value))
    if not found.pieces:
        raise _Bad("it has no tokens")
    return found


def _piece(data: bytes) -> Piece:
    text, score, kind = "", 0.0, 1
    for number, value in _fields(data):
        if number == 1:
            try:
                text = _message(value).decode("utf-8")
            except UnicodeDecodeError:
                raise _Bad("a token is not UTF-8") from None
        elif number == 2:
            if not isinstance(value, int):
                raise _Bad("a score is not a number")
            (score,) = struct.unpack("<f", struct.pack("<I", value & 0xFFFFFFFF))
        elif number == 3:
            kind = _number(value)
    if not text or not math.isfinite(score) or not 1 <= kind <= 6:
        raise _Bad("a token has no text, no score or a type that is not known")
    return Piece(text, score, kind)


def _trainer(found: SentencePiece, data: bytes) -> None:
    for number, value in _fields(data):
        if number == 3:
            found.model_type = _number(value)
        elif number == 24:
            found.treat_whitespace_as_suffix = bool(_number(value))
        elif number == 35:
            found.byte_fallback = bool(_number(value))


def _normalizer(found: SentencePiece, data: bytes) -> None:
    for number, value in _fields(data):
        if number == 2:
            found.charsmap = _message(value)
        elif number == 3:
            found.add_dummy_prefix = bool(_number(value))
        elif number == 4:
            found.remove_extra_whitespaces = bool(_number(value))
        elif number == 5:
            found.escape_whitespaces = bool(_number(value))


def _message(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise _Bad("a part of it is a number where a text should be")
    return value


def _number(value: Value) -> int:
    if not isinstance(value, int):
        raise _Bad("a part of it is a text where a number should be")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """(number, value) of each field of a message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise _Bad(f"a field has the type {wire}, which these files don't have")
        if not number or length > len(data) - at:
            raise _Bad("it is cut off")
        chunk = data[at : at + length]
        yield number, chunk if wire == _BYTES else int.from_bytes(chunk, "little")
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Decode a varint (up to ten bytes, seven bits each, lowest first); returns the number and its end."""
    value = 0
    for i in range(10):
        if at + i >= len(data):
            raise _Bad("it is cut off")
        value |= (data[at + i] & 0x7F) << (7 * i)
        if data[at + i] < 0x80:
            return value, at + i + 1
    raise _Bad("a number in it does not end")
