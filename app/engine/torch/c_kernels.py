"""Builds and calls the C kernels for 4-bit matrix products (``int4.c``), where this machine has a C compiler.

The library is built each time a worker starts, which takes a second, for the CPU that it runs on; no file is kept.
Without a compiler, or on a CPU without AVX2, :mod:`app.engine.torch.kernels` uses slower PyTorch operations.
"""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from app.families.glm.quantization import unpack

_SOURCE = Path(__file__).with_name("int4.c")
_COMPILERS = ("cc", "gcc", "clang")
_OPTIONS = ("-O3", "-fno-math-errno", "-fopenmp", "-fPIC", "-shared")
_BUILD_TIMEOUT_S = 60.0

_BLOCK_ROWS = 16
_PACKED_AT_ONCE = 1 << 22  # nibbles


class Int4Library:
    """The compiled library; ``int4.c`` describes the layout and the arithmetic."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._product = library.int4_product
        self._product.argtypes = [ctypes.c_void_p] * 7 + [ctypes.c_int] * 4
        self._product.restype = None

    def product(self, x: Tensor, packed: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        """``x`` [m, in], ``packed`` from :meth:`pack`, ``scale``, ``bias`` float32 [out] → [m, out], dtype of ``x``."""
        rows = x.float().contiguous()
        m, k = rows.shape
        out = torch.empty(m, len(scale))
        split, steps = torch.empty(m, 2, k, dtype=torch.int8), torch.empty(m, 2)
        tensors = (packed, rows, scale, bias, out, split, steps)
        pointers = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
        self._product(*pointers, m, len(scale), k, torch.get_num_threads())
        return out.to(x.dtype)

    @staticmethod
    def pack(weight: Tensor) -> Tensor:
        """Pack a checkpoint's int8 [out, in / 2] to uint8 [blocks, in / 8, 64]; the last block is zero-padded."""
        out_features, columns = weight.shape[0], 2 * weight.shape[1]
        packed = weight.new_empty((-(-out_features // _BLOCK_ROWS), columns // 8, 64), dtype=torch.uint8)
        if weight.is_meta:
            return packed
        at_once = max(1, _PACKED_AT_ONCE // (_BLOCK_ROWS * columns))
        parts = torch.split(weight, at_once * _BLOCK_ROWS)
        for place, rows in zip(torch.split(packed, at_once), parts, strict=True):
            nibbles = unpack(rows).add_(8)
            if missing := len(place) * _BLOCK_ROWS - len(rows):
                nibbles = torch.cat((nibbles, nibbles.new_full((missing, columns), 8)))
            grouped = nibbles.view(torch.uint8).view(len(place), _BLOCK_ROWS, columns // 8, 2, 4)
            low, high = grouped.unbind(3)  # [blocks, 16, in / 8, 4]
            place.view(len(place), columns // 8, _BLOCK_ROWS, 4).copy_((low | (high << 4)).transpose(1, 2))
        return packed

    @staticmethod
    def rows(packed: Tensor, rows: Tensor) -> Tensor:
        """Unpack the rows with indices `rows` [n] of a packed matrix: int8 [n, in]."""
        blocks, groups, _ = packed.shape
        four = packed.view(blocks, groups, _BLOCK_ROWS, 4)[rows // _BLOCK_ROWS, :, rows % _BLOCK_ROWS]
        return torch.stack((four & 15, four >> 4), dim=2).flatten(1).to(torch.int8) - 8


@functools.cache
def int4_library(processor: str = "native") -> Int4Library | None:
    """Build the library for `processor` (a compiler's ``-march``); ``None`` where that fails."""
    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "int4.so"
        command = [compiler, *_OPTIONS, f"-march={processor}", "-o", str(built), str(_SOURCE), "-lm"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_BUILD_TIMEOUT_S)
            return Int4Library(ctypes.CDLL(str(built)))  # stays loaded when the file is gone
        except (OSError, subprocess.SubprocessError):
            return None
