"""What memory a model takes in the way that it would be loaded: read from its headers, or told by its manifest."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.models.manifest import Manifest
from app.models.memory.estimate import MemoryEstimate, estimate_from_header, estimate_llama_cpp, estimate_unseen
from app.models.memory.torch_estimate import estimate_torch, whole
from app.models.model_files import ModelFiles
from app.weights.formats.chatglm_shapes import BadConfig, Expected
from app.weights.formats.checkpoint import Checkpoint
from app.weights.formats.converted_files import GGUF_TYPES
from app.weights.formats.ggml_types import TYPES
from app.weights.formats.safetensors import DTYPES, TensorInfo
from app.weights.formats.shapes import expected_for, is_tied, kv_values_for

Shape = tuple[tuple[str, int | str | bool], ...]  # some entries of a config.json

_DTYPES = {"float32": "F32"}  # how it was published, by its configuration; else in half precision
_CACHE_BYTES = 2  # of a number, in llama.cpp's cache
_FORMS = {form.name.lower(): form for form in TYPES.values()}
_QUANTIZED = frozenset(name for name in GGUF_TYPES if name.startswith("q"))
_HEAD_TYPE = "q8_0"


def estimate(manifest: Manifest, files: ModelFiles, *, context_tokens: int, slots: int) -> MemoryEstimate | None:
    """Of a model whose files are there. Raises :class:`~app.errors.DamagedWeights`."""
    if manifest.engine == "torch":
        checkpoint = files.checkpoint(manifest)
        return estimate_torch(checkpoint, manifest.load_as, context_tokens=context_tokens, slots=slots)
    header = files.header(manifest)
    if header is None:
        return estimate_before(manifest, context_tokens=context_tokens, slots=slots)
    folder = files.folder(manifest)
    size = sum((folder / file.path).stat().st_size for file in manifest.files if file.path.endswith(".gguf"))
    return estimate_from_header(header, size, context_tokens=context_tokens, slots=slots)


def estimate_before(manifest: Manifest, *, context_tokens: int, slots: int) -> MemoryEstimate | None:
    """Of a model that is not here yet, from what its manifest says; ``None`` where that is too little."""
    if shape := shape_of(manifest):
        return _forecast(shape, manifest.engine, manifest.load_as, context_tokens, slots)
    if manifest.kv_bytes_per_token is None or manifest.size_bytes is None:
        return None
    return estimate_unseen(manifest.size_bytes, manifest.kv_bytes_per_token, context_tokens=context_tokens, slots=slots)


def size_before(manifest: Manifest) -> int | None:
    """Bytes that will be fetched, as far as the manifest tells."""
    outline = planned(shape_of(manifest))
    return manifest.size_bytes if outline is None else sum(tensor.size_bytes for tensor in outline.tensors.values())


def shape_of(manifest: Manifest) -> Shape:
    """Its [architecture], as something that can be a key."""
    return tuple(sorted(manifest.architecture.items()))


@functools.lru_cache(maxsize=64)
def planned(shape: Shape) -> Checkpoint | None:
    """The checkpoint that an [architecture] describes, as it was published: no file of it is needed.

    ``None`` where it describes nothing that is known.
    """
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


@functools.lru_cache(maxsize=1024)
def _forecast(shape: Shape, engine: str, load_as: str, context_tokens: int, slots: int) -> MemoryEstimate | None:
    """Asked for every model and way once a second while a list is open; it never changes."""
    outline = planned(shape)
    if outline is None:
        return None
    if engine == "torch":
        return estimate_torch(outline, load_as, context_tokens=context_tokens, slots=slots)
    return _estimate_copy(outline, load_as, context_tokens=context_tokens, slots=slots)


def _estimate_copy(outline: Checkpoint, copy_type: str, *, context_tokens: int, slots: int) -> MemoryEstimate | None:
    """Of the copy for llama.cpp that will be made of a checkpoint once it is here."""
    config = outline.config
    kv_values, hidden = kv_values_for(config, lengthened=False), whole(config, "hidden_size", "n_embd")
    if kv_values is None:
        return None
    return estimate_llama_cpp(
        sum(_copy_bytes(name, tensor, copy_type, config) for name, tensor in outline.held.items()),
        kv_values * _CACHE_BYTES,
        hidden,
        whole(config, "intermediate_size") or 4 * hidden,
        context_tokens=context_tokens,
        slots=slots,
    )


def _copy_bytes(name: str, tensor: TensorInfo, copy_type: str, config: Mapping[str, Any]) -> int:
    """Bytes of one tensor in a copy, as :mod:`app.weights.converting` writes it."""
    if len(tensor.shape) < 2:
        return tensor.elements * 4
    head = "embed" in name if is_tied(config) else name.startswith("lm_head")
    form = _FORMS[_HEAD_TYPE if head and copy_type in _QUANTIZED else copy_type]
    return tensor.elements // form.block_values * form.block_bytes


def _tensor(wanted: Expected, dtype: str) -> TensorInfo:
    return TensorInfo(dtype, wanted.shape, math.prod(wanted.shape) * DTYPES[dtype] // 8)
