"""Memory estimate of a manifest's model in its engine: the entry point to all estimates."""

from __future__ import annotations

import functools

from app.models.manifest import Manifest
from app.models.memory import gpus
from app.models.memory.estimate import MemoryEstimate
from app.models.memory.llama_cpp_estimate import estimate_from_header, estimate_from_size, estimate_llama_cpp
from app.models.memory.planned_checkpoint import Shape, converted_bytes, planned_checkpoint, shape_of
from app.models.memory.torch_estimate import estimate_torch, whole
from app.models.model_files import ModelFiles
from app.weights.architectures import kv_values_for
from app.weights.formats.checkpoint import Checkpoint
from app.weights.formats.shards import is_gguf

_KV_VALUE_BYTES = 2  # per value in llama.cpp's KV cache


def estimate_model(
    manifest: Manifest, files: ModelFiles | None, *, context_tokens: int, slots: int
) -> MemoryEstimate | None:
    """The estimate from the headers of the model's files; from its manifest if `files` is ``None`` (not downloaded).

    ``None`` if these do not contain enough. `slots` 0: as many as fit into the memory for KV caches, up to four. Raises
    :class:`~app.errors.DamagedWeights`.
    """
    on_gpu = manifest.engine == "torch" and gpus.has_gpu()
    header = None
    if files is not None and manifest.engine == "torch":
        checkpoint = files.checkpoint(manifest)
        return estimate_torch(checkpoint, manifest.load_as, context_tokens=context_tokens, slots=slots, on_gpu=on_gpu)
    if files is not None:
        header = files.header(manifest)
    if files is None or header is None:
        return _estimate_planned(manifest, context_tokens, slots, on_gpu)
    folder = files.folder(manifest)
    size = sum((folder / file.path).stat().st_size for file in manifest.files if is_gguf(file.path))
    return estimate_from_header(header, size, context_tokens=context_tokens, slots=slots)


def _estimate_planned(manifest: Manifest, context_tokens: int, slots: int, on_gpu: bool) -> MemoryEstimate | None:
    if shape := shape_of(manifest):
        return _estimate_shape(shape, manifest.engine, manifest.load_as, context_tokens, slots, on_gpu)
    if manifest.kv_bytes_per_token is None or manifest.size_bytes is None:
        return None
    return estimate_from_size(
        manifest.size_bytes, manifest.kv_bytes_per_token, context_tokens=context_tokens, slots=slots
    )


@functools.lru_cache(maxsize=1024)
def _estimate_shape(
    shape: Shape, engine: str, load_as: str, context_tokens: int, slots: int, on_gpu: bool
) -> MemoryEstimate | None:
    """Cached: it never changes, and is read for every variant of every model whenever the list is refreshed."""
    checkpoint = planned_checkpoint(shape)
    if checkpoint is None:
        return None
    if engine == "torch":
        return estimate_torch(checkpoint, load_as, context_tokens=context_tokens, slots=slots, on_gpu=on_gpu)
    return _estimate_conversion(checkpoint, load_as, context_tokens=context_tokens, slots=slots)


def _estimate_conversion(
    checkpoint: Checkpoint, gguf_type: str, *, context_tokens: int, slots: int
) -> MemoryEstimate | None:
    """The estimate for the GGUF file that will be made from a checkpoint once it is downloaded."""
    config = checkpoint.config
    kv_values, hidden = kv_values_for(config, lengthened=False), whole(config, "hidden_size", "n_embd")
    if kv_values is None:
        return None
    return estimate_llama_cpp(
        converted_bytes(checkpoint, gguf_type),
        kv_values * _KV_VALUE_BYTES,
        hidden,
        whole(config, "intermediate_size") or 4 * hidden,
        context_tokens=context_tokens,
        slots=slots,
    )
