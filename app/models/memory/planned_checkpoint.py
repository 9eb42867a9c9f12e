"""Checkpoints that are not downloaded yet, derived from the [architecture] of a manifest."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.models.manifest import Manifest
from app.weights.architectures import expected_for, is_tied
from app.weights.architectures.base import BadConfig, Expected
from app.weights.formats.checkpoint import Checkpoint
from app.weights.formats.converted_files import GGUF_TYPES
from app.weights.formats.ggml_types import TYPES
from app.weights.formats.safetensors import DTYPES, TensorInfo

Shape = tuple[tuple[str, int | str | bool], ...]  # some entries of a config.json

_DTYPES = {"float32": "F32"}  # torch_dtype in which it was published → safetensors dtype; others are half precision
_FORMATS = {ggml.name.lower(): ggml for ggml in TYPES.values()}
_QUANTIZED = frozenset(name for name in GGUF_TYPES if name.startswith("q"))
_HEAD_TYPE = "q8_0"


def shape_of(manifest: Manifest) -> Shape:
    """The manifest's [architecture] as a hashable key."""
    return tuple(sorted(manifest.architecture.items()))


@functools.lru_cache(maxsize=64)
def planned_checkpoint(shape: Shape) -> Checkpoint | None:
    """The published checkpoint that an [architecture] describes; ``None`` for an unknown architecture."""
    config = dict(shape)
    dtype = _DTYPES.get(str(config.get("torch_dtype")), "F16")
    try:
        tensors = {
            wanted.name: _tensor(wanted, dtype if wanted.kind == "float" else "I8")
            for wanted in expected_for(config) or ()
            if wanted.required
        }
    except BadConfig:
        return None
    return Checkpoint(Path("planned"), config, tensors, ()) if tensors else None


def download_bytes(manifest: Manifest) -> int | None:
    """Size of the download according to the manifest; ``None`` if unknown."""
    checkpoint = planned_checkpoint(shape_of(manifest))
    return manifest.size_bytes if checkpoint is None else sum(t.size_bytes for t in checkpoint.tensors.values())


def converted_bytes(checkpoint: Checkpoint, gguf_type: str) -> int:
    """Size of the weights after conversion to GGUF in that number format."""
    return sum(_gguf_bytes(name, tensor, gguf_type, checkpoint.config) for name, tensor in checkpoint.held.items())


def _gguf_bytes(name: str, tensor: TensorInfo, gguf_type: str, config: Mapping[str, Any]) -> int:
    """Size of one tensor as :mod:`app.weights.converting` writes it."""
    if len(tensor.shape) < 2:
        return tensor.elements * 4
    head = "embed" in name if is_tied(config) else name.startswith("lm_head")
    ggml = _FORMATS[_HEAD_TYPE if head and gguf_type in _QUANTIZED else gguf_type]
    return tensor.elements // ggml.block_values * ggml.block_bytes


def _tensor(wanted: Expected, dtype: str) -> TensorInfo:
    return TensorInfo(dtype, wanted.shape, math.prod(wanted.shape) * DTYPES[dtype] // 8)
