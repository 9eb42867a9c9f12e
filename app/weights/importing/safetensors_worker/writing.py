"""Writes a safetensors file and computes its SHA-256."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.system.disk import sync_file
from app.weights.importing.safetensors_worker.rows import CHUNK_BYTES, Rows
from app.weights.importing.safetensors_worker.stored import DTYPES

_ALIGNMENT = 8


def write(weights: Mapping[str, Rows], target: Path, on_bytes: Callable[[int], None]) -> str:
    """Write `weights` to `target`; returns its SHA-256. Raises ``OSError``.

    Tensors that share memory (a head tied to its embedding) are each written in full.
    """
    draft = target.with_name(f"{target.name}.part")
    digest = hashlib.sha256()
    with draft.open("wb") as file:
        header = _header(weights)
        file.write(header)
        digest.update(header)
        for rows in weights.values():
            for piece in rows.pieces():
                for view in _views(piece):
                    digest.update(view)
                    on_bytes(file.write(view))
        sync_file(file)
    draft.replace(target)
    return digest.hexdigest()


def split(weights: Mapping[str, Rows], part: int, parts: int) -> dict[str, Rows]:
    """The tensors of file `part` (from 0) when split, in order, into `parts` files of about the same size."""
    total = max(1, sum(rows.size_bytes for rows in weights.values()))
    chosen, at = {}, 0
    for name, rows in weights.items():
        middle = at + rows.size_bytes // 2
        if min(parts - 1, middle * parts // total) == part:
            chosen[name] = rows
        at += rows.size_bytes
    return chosen


def _header(weights: Mapping[str, Rows]) -> bytes:
    """The file's header: its length in eight bytes, then JSON, padded with spaces."""
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, rows in weights.items():
        end = at + rows.size_bytes
        table[name] = {"dtype": DTYPES[rows.dtype], "shape": list(rows.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(table, ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return struct.pack("<Q", len(text)) + text


def _views(piece: Tensor) -> list[memoryview]:
    """The bytes of `piece`, in chunks, since a single row may be long; non-contiguous tensors are copied."""
    flat = piece.contiguous().reshape(-1).view(torch.uint8)
    return [memoryview(flat[at : at + CHUNK_BYTES].numpy()) for at in range(0, flat.numel(), CHUNK_BYTES)]
