"""Rewrite PyTorch's own weight files as safetensors: a process of its own, the only one that ever opens a pickle.

    python -m app.registry.importing.convert_worker
        reads one JSON line: {"jobs": [{"source": path, "target": path}, …]}

A pickle is a program. PyTorch's restricted reader (``weights_only``) knows a short list of harmless calls and refuses
every other; nothing that such a file names is imported or run. It is mapped into memory, and written out piece by
piece, so that memory stays bounded whatever its size. A target appears when it is whole.

Writes JSON lines: ``{"bytes": n}`` as data is written, ``{"target": path, "tensors": {name: bytes}}`` when a file is
finished, ``{"error": "…"}`` when one is refused; then it ends with exit code 1.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

_CHUNK_BYTES = 64 << 20
_ALIGNMENT = 8

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


class Refused(Exception):
    """A file that is not converted; the message completes the sentence that its name begins."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.bin`` or ``.pth`` file, by name. Raises :class:`Refused`."""
    try:
        # Only the newer kind of file, a zip archive, can be mapped into memory.
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path) or None)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError, KeyError, AttributeError) as err:
        reason = str(err).strip().partition("\n")[0][:200]
        raise Refused(f"is damaged, or holds more than weights, and was not run ({reason})") from err
    if not isinstance(found, dict) or not found:
        raise Refused("holds no table of weights")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise Refused(f"holds {str(name)[:60]!r}, which is no weight; only plain tables of weights are converted")
        if tensor.dtype not in DTYPES or tensor.layout is not torch.strided or tensor.is_quantized:
            raise Refused(f"holds {name[:60]!r} as {tensor.dtype}, which safetensors can't")
    return found


def convert(source: Path, target: Path, on_bytes: Callable[[int], None]) -> dict[str, int]:
    """Write the tensors of `source` to `target`; returns the bytes of each. Raises :class:`Refused`, ``OSError``.

    Names and numbers stay as they are. Tensors that share memory (a head tied to its embedding) are written each.
    """
    weights = read_weights(source)
    draft = target.with_name(f"{target.name}.part")
    with draft.open("wb") as file:
        file.write(_header(weights))
        for tensor in weights.values():
            for piece in _pieces(tensor):
                on_bytes(_write(file, piece))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    return {name: _size(tensor) for name, tensor in weights.items()}


def _header(weights: Mapping[str, Tensor]) -> bytes:
    """As the format asks: the length in eight bytes, then JSON, padded with blanks."""
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, tensor in weights.items():
        end = at + _size(tensor)
        table[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(table, ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text


def _size(tensor: Tensor) -> int:
    return int(tensor.numel() * tensor.element_size())


def _pieces(tensor: Tensor) -> Iterator[Tensor]:
    """The numbers in order, at most some 64 MiB at a time; a view of other memory is copied row by row only."""
    if not tensor.is_contiguous() and tensor.ndim > 1 and _size(tensor) > _CHUNK_BYTES:
        for row in tensor:
            yield from _pieces(row)
        return
    flat = tensor.detach().contiguous().reshape(-1)
    step = max(1, _CHUNK_BYTES // tensor.element_size())
    for begin in range(0, flat.numel(), step):
        yield flat[begin : begin + step]


def _write(file: BinaryIO, piece: Tensor) -> int:
    return int(file.write(memoryview(piece.view(torch.uint8).numpy())))


def main() -> int:
    """Do the jobs that standard input names."""
    torch.set_num_threads(1)
    jobs = json.loads(sys.stdin.readline())["jobs"]
    for job in jobs:
        source, target = Path(job["source"]), Path(job["target"])
        try:
            tensors = convert(source, target, lambda n: _say({"bytes": n}))
        except Refused as refused:
            _say({"error": f"{source.name} {refused}."})
            return 1
        except OSError as err:
            _say({"error": f"{source.name} can't be converted: {err.strerror}.", "errno": err.errno})
            return 1
        _say({"target": str(target), "tensors": tensors})
    return 0


def _say(what: Mapping[str, object]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    sys.exit(main())
