"""Reads rows of a tensor from a safetensors file as float32, and converts them to another number format.

Reads with seek instead of a memory map: a disk failure then raises an error instead of killing the process, and data
counts as this process's memory only while it is in use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import gguf
import numpy as np
from numpy.typing import NDArray

from app.errors import DamagedWeights, InvalidImport
from app.weights.converting.converter import Part
from app.weights.converting.number_formats import Kind
from app.weights.formats.safetensors import TensorInfo

_SLICE_VALUES = 1 << 21  # 8 MiB as float32; the quantizers need some ten times that temporarily
_STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}

Floats = NDArray[np.float32]


def slices(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The row ranges [begin, end) of a tensor's slices; a vector is one row."""
    rows, columns = (1, shape[0]) if len(shape) == 1 else (shape[0], shape[1])
    step = max(1, _SLICE_VALUES // columns)
    for begin in range(0, rows, step):
        yield begin, min(rows, begin + step)


def read_rows(file: BinaryIO, stored: TensorInfo, part: Part, begin: int, end: int) -> Floats:
    """Rows `begin` to `end` of `part` in the order of the GGUF file. Raises :class:`DamagedWeights`, ``OSError``."""
    vector = len(part.shape) == 1
    columns = 1 if vector else part.shape[1]
    if vector:  # a vector's elements are permuted like the rows of a matrix
        begin, end = 0, part.shape[0]
    if part.rows is None:
        found = _read(file, stored, part.source, begin, end, columns)
    else:  # rows of one slice are close together in the source: within three times its length
        wanted = part.rows[begin:end]
        first = int(wanted.min())
        found = _read(file, stored, part.source, first, int(wanted.max()) + 1, columns)[wanted - first]
    if not np.isfinite(found).all():
        raise DamagedWeights(
            f"The tensor {part.source[:80]} has values that are not numbers. Download the model again.",
            file=part.source,
        )
    return found.reshape(1, -1) if vector else found


def _read(file: BinaryIO, stored: TensorInfo, name: str, begin: int, end: int, columns: int) -> Floats:
    form = np.dtype(_STORED[stored.dtype])
    length = (end - begin) * columns * form.itemsize
    data = bytearray(length)
    done = 0
    while done < length:
        got = os.preadv(file.fileno(), [memoryview(data)[done:]], stored.begin + begin * columns * form.itemsize + done)
        if not got:
            raise DamagedWeights(f"{name[:80]} is cut off. Download the model again.", file=name)
        done += got
    raw = np.frombuffer(data, form)
    if stored.dtype == "BF16":  # the upper half of a float32
        raw = (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32, copy=False).reshape(-1, columns)


def to_kind(values: Floats, kind: Kind, name: str) -> bytes:
    """Encode rows in the format `kind`. Raises :class:`InvalidImport` for values beyond half precision's range."""
    with np.errstate(over="ignore"):
        packed = gguf.quants.quantize(np.ascontiguousarray(values), kind)
    if kind is Kind.F16 and not np.isfinite(packed).all():
        raise InvalidImport(
            f"The tensor {name[:80]} has values above 65,504, which f16 can't hold. Choose bf16 or f32.", field="to"
        )
    return bytes(packed.tobytes())
