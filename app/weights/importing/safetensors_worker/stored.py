"""Opens weight files: PyTorch's own (with the restricted unpickler) and safetensors."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from app.errors import DamagedWeights
from app.weights.formats.safetensors import read_tensors
from app.weights.importing.safetensors_worker.rows import Refused, Rows, stored

DTYPES: Mapping[torch.dtype, str] = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def open_weights(path: Path) -> dict[str, Rows]:
    """The lazy tensors of a file by name. Raises :class:`Refused`, ``OSError``."""
    found = _safetensors(path) if path.suffix == ".safetensors" else read_weights(path)
    return {name: stored(tensor) for name, tensor in found.items()}


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.bin`` or ``.pth`` file, by name. Raises :class:`Refused`."""
    try:
        # Only the newer format, a zip archive, can be mapped into memory.
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path) or None)
    except OSError:
        raise
    except Exception as err:  # torch's unpickler walks bytes nobody checked; it raises whatever its code trips over
        reason = str(err).strip().partition("\n")[0][:200]
        raise Refused(f"is damaged or contains more than weights, so it was not loaded ({reason})") from err
    if not isinstance(found, dict) or not found:
        raise Refused("has no table of weights")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise Refused(
                f"holds {str(name)[:60]!r}, which is not a tensor; only plain tables of tensors are converted"
            )
        if tensor.dtype not in DTYPES or tensor.layout is not torch.strided or tensor.is_quantized:
            raise Refused(f"holds {name[:60]!r} as {tensor.dtype}, which safetensors can't store")
    return found


def _safetensors(path: Path) -> dict[str, Tensor]:
    types = {name: dtype for dtype, name in DTYPES.items()}
    try:
        found = read_tensors(path)
    except DamagedWeights as err:
        raise Refused(f"can't be used: {err.message}") from err
    whole = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)
    tensors = {}
    for name, info in found.items():
        if info.dtype not in types:
            raise Refused(f"holds {name[:60]!r} as {info.dtype}, which is not supported")
        raw = whole[info.begin : info.begin + info.size_bytes]
        aligned = raw if info.begin % types[info.dtype].itemsize == 0 else raw.clone()
        tensors[name] = aligned.view(types[info.dtype]).view(info.shape)
    return tensors
