"""Reads and validates the header of a safetensors file.

Files are untrusted: the header's length is limited, and every tensor must have a known type, a size that matches its
shape, and its own range inside the file. A file that passes is safe to map into memory.

Format: https://github.com/huggingface/safetensors#format: eight bytes with the header's length (little-endian), the
header (JSON: name → dtype, shape, data_offsets), then the data, which the tensors fill without holes or overlaps.
Bit errors in the weights are not detected here but by a manifest's SHA-256.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from app.errors import DamagedWeights

_MAX_HEADER_BYTES = 64 << 20  # typical: some hundred KB for a shard of a large model
_MAX_TENSORS = 100_000
_MAX_NAME_CHARS = 512
_MAX_DIMENSIONS = 8

# Bits of one element.
DTYPES: Mapping[str, int] = {
    **{"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8},
    **{"U16": 16, "U32": 32, "U64": 64, "F8_E4M3": 8, "F8_E5M2": 8},
}


FLOATS = ("F64", "F32", "F16", "BF16")  # not quantized


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor: ``dtype`` as the format names it (``"F16"``), sizes in elements and bytes."""

    dtype: str
    shape: tuple[int, ...]
    size_bytes: int
    begin: int = field(default=0, compare=False)  # offset of its data from the file's start, in bytes

    @property
    def elements(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def read_tensors(path: Path) -> dict[str, TensorInfo]:
    """The tensors of a file by name. Raises only :class:`DamagedWeights`, with the reason."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = _header(file.read(8), size)
            data = file.read(header)
        return _tensors(_parsed(data, header), 8 + header, size - 8 - header)
    except OSError as err:
        raise DamagedWeights(f"{path.name} cannot be read: {err.strerror}.", file=path.name) from err
    except _Bad as bad:
        raise DamagedWeights(
            f"{path.name} is damaged or not a safetensors file: {bad}. Download it again.",
            file=path.name,
            reason=str(bad),
        ) from bad


class _Bad(Exception):
    """The file is invalid; the message is the reason."""


def _header(mark: bytes, file_bytes: int) -> int:
    """The header's length in bytes."""
    if len(mark) < 8:
        raise _Bad("it is cut off before its header")
    (length,) = struct.unpack("<Q", mark)
    if length > min(file_bytes - 8, _MAX_HEADER_BYTES):
        raise _Bad(f"its header of {length:,} bytes does not fit into it, or is too long")
    return int(length)


def _parsed(data: bytes, length: int) -> dict[str, Any]:
    if len(data) != length:
        raise _Bad("it is cut off inside its header")
    try:
        header = json.loads(data.decode("utf-8"), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as err:  # a decoding error is a ValueError too
        raise _Bad("its header is not valid JSON") from err
    if not isinstance(header, dict):
        raise _Bad("its header is not a table of tensors")
    return header


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice")
    return found


def _tensors(header: Mapping[str, Any], data_begin: int, data_bytes: int) -> dict[str, TensorInfo]:
    tensors: dict[str, TensorInfo] = {}
    places: list[tuple[int, int, str]] = []
    if len(header) > _MAX_TENSORS:
        raise _Bad(f"it claims {len(header):,} tensors")
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if len(name) > _MAX_NAME_CHARS:
            raise _Bad(f"a tensor's name has {len(name):,} characters")
        tensors[name], begin, end = _tensor(name, entry, data_begin)
        places.append((begin, end, name))
    _check_places(sorted(places), data_bytes)
    return tensors


def _tensor(name: str, entry: object, data_begin: int) -> tuple[TensorInfo, int, int]:
    shown = name[:80]
    if not isinstance(entry, dict):
        raise _Bad(f"the entry of {shown} is not a table")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _Bad(f"{shown} has the type {str(dtype)[:20]!r}, which is not known")
    if not _are_sizes(shape) or len(shape) > _MAX_DIMENSIONS:
        raise _Bad(f"the shape of {shown} is invalid")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise _Bad(f"the position of {shown} is invalid")
    size = math.prod(shape) * DTYPES[dtype] // 8
    if offsets[1] - offsets[0] != size:
        raise _Bad(f"{shown} should take {size:,} bytes for its shape but takes {offsets[1] - offsets[0]:,}")
    return TensorInfo(dtype, tuple(shape), size, data_begin + offsets[0]), offsets[0], offsets[1]


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 48 for n in value)


def _check_places(places: list[tuple[int, int, str]], data_bytes: int) -> None:
    """Check that the tensors cover the data without gaps or overlaps."""
    at = 0
    for begin, end, name in places:
        if begin != at:
            raise _Bad(f"{name[:80]} {'overlaps another tensor' if begin < at else 'has a gap before it'}")
        at = end
    if at != data_bytes:
        raise _Bad(f"its tensors take {at:,} bytes, but it has {data_bytes:,}: it is cut off, or too long")
