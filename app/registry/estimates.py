"""What memory a model takes in the way that it would be loaded: read from its headers, or told by its manifest."""

from __future__ import annotations

import math
from pathlib import Path

from app.registry.files import ModelFiles
from app.registry.formats.chatglm_shapes import BadConfig, Expected
from app.registry.formats.checkpoint import Checkpoint
from app.registry.formats.ggml_types import TYPES
from app.registry.formats.safetensors import DTYPES, TensorInfo
from app.registry.formats.shapes import expected_for
from app.registry.manifest import COPY_TYPES, Manifest
from app.registry.memory import MemoryEstimate, estimate_from_header, estimate_llama_cpp, estimate_unseen
from app.registry.torch_memory import estimate_torch, kv_values_per_token, whole

_DTYPES = {"float32": "F32"}  # how it was published, by its configuration; else in half precision
_CACHE_BYTES = 2  # of a number, in llama.cpp's cache
_FORMS = {form.name.lower(): form for form in TYPES.values()}
_QUANTIZED = frozenset(name for name in COPY_TYPES if name.startswith("q"))
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
    outline = planned(manifest)
    if outline is not None and manifest.engine == "torch":
        return estimate_torch(outline, manifest.load_as, context_tokens=context_tokens, slots=slots)
    if outline is not None:
        return _estimate_copy(outline, manifest.load_as, context_tokens=context_tokens, slots=slots)
    if manifest.kv_bytes_per_token is None or manifest.size_bytes is None:
        return None
    return estimate_unseen(manifest.size_bytes, manifest.kv_bytes_per_token, context_tokens=context_tokens, slots=slots)


def size_before(manifest: Manifest) -> int | None:
    """Bytes that will be fetched, as far as the manifest tells."""
    outline = planned(manifest)
    return manifest.size_bytes if outline is None else sum(tensor.size_bytes for tensor in outline.tensors.values())


def planned(manifest: Manifest) -> Checkpoint | None:
    """The checkpoint that a manifest's [architecture] describes, as it was published: no file of it is needed.

    ``None`` without that table, or where it describes nothing that is known.
    """
    if not manifest.architecture:
        return None
    try:
        expected = expected_for(manifest.architecture)
        if expected is None:
            return None
        dtype = _DTYPES.get(str(manifest.architecture.get("torch_dtype")), "F16")
        tensors = {
            wanted.name: _tensor(wanted, dtype if wanted.kind == "float" else "I8")
            for wanted in expected
            if wanted.required
        }
    except BadConfig:
        return None
    return Checkpoint(Path(manifest.id), manifest.architecture, tensors, ())


def _estimate_copy(outline: Checkpoint, copy_type: str, *, context_tokens: int, slots: int) -> MemoryEstimate | None:
    """Of the copy for llama.cpp that will be made of a checkpoint once it is here."""
    kv_values, config = kv_values_per_token(outline.config), outline.config
    if kv_values is None:
        return None
    hidden = whole(config, "hidden_size", "n_embd")
    return estimate_llama_cpp(
        sum(copy_bytes(name, tensor, copy_type) for name, tensor in outline.held.items()),
        kv_values * _CACHE_BYTES,
        hidden,
        whole(config, "intermediate_size") or 4 * hidden,
        context_tokens=context_tokens,
        slots=slots,
    )


def copy_bytes(name: str, tensor: TensorInfo, copy_type: str) -> int:
    """Bytes of one tensor in a copy, as :mod:`app.registry.quantizing` writes it."""
    if len(tensor.shape) < 2:
        return tensor.elements * 4
    form = _FORMS[_HEAD_TYPE if name.startswith("lm_head") and copy_type in _QUANTIZED else copy_type]
    return tensor.elements // form.block_values * form.block_bytes


def _tensor(wanted: Expected, dtype: str) -> TensorInfo:
    return TensorInfo(dtype, wanted.shape, math.prod(wanted.shape) * DTYPES[dtype] // 8)
