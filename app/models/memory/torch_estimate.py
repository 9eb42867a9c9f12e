"""Memory estimates for PyTorch, for each number format, from the headers of a checkpoint.

Bytes of one weight:

- unquantized: in the precision that the CPU computes fast, bfloat16 (2) if it has instructions for it, else float32
  (4), as :func:`app.engine.torch.loading.compute_dtype` decides;
- ``int8`` (bitsandbytes): 1, and a float32 scale for each row;
- ``nf4`` (bitsandbytes, no double quantization): ½, and a float32 scale for each 64 weights: 0.5625;
- ChatGLM's own int4 and int8: ½ or 1, and the scales, packed for kernels that compute in bfloat16.

Embeddings, heads, norms and biases are never quantized by bitsandbytes. The KV cache holds keys and values in
the precision of the activations. The activations are those of prefill: ChatGLM-6B processes a prompt as a whole, layer
by layer; causal models process it in chunks of TORCH_CHUNK_TOKENS. bitsandbytes needs more: the process keeps the
memory used for quantizing, and ``int8`` expands a layer's weights and products to 32 bits.

On a GPU all of that is in GPU memory, in half precision, plus CUDA's context; the process in RAM is larger by CUDA's
libraries. These two figures are allowances, not measurements.

Measured on a CPU: ChatGLM's first architecture with 607 million parameters (12 layers of 2,048), bfloat16, two slots, a
prompt of 1,401 tokens: 1,789 MiB peak resident size unquantized, 1,632 int8, 1,132 nf4, 982 in ChatGLM's own int4.
Estimated, without the 266 MiB of KV cache that stayed empty: 1,823, 1,760, 1,123, 992.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.domain.prefill import TORCH_CHUNK_TOKENS
from app.models.memory.estimate import MIB, MemoryEstimate, slots_for
from app.weights.architectures import chatglm, kv_values_for
from app.weights.formats.checkpoint import Checkpoint
from app.weights.formats.safetensors import TensorInfo

_PROCESS_BYTES = 400 * MIB  # Python, torch, transformers, a tokenizer: measured 370, with bitsandbytes 409
_GPU_PROCESS_BYTES = 1024 * MIB  # with CUDA's libraries
_GPU_CONTEXT_BYTES = 512 * MIB  # CUDA's context, kernels and workspaces, in GPU memory
_NF4_BLOCK = 64
_SCALE_BYTES = 4
_MIN_COMPUTE_BYTES = 64 * MIB
_BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
# Matrices that bitsandbytes does not quantize.
_NOT_LINEAR = re.compile(r"embed|wte|wpe|lm_head|output_layer|norm|prefix_encoder", re.IGNORECASE)


def estimate_torch(
    checkpoint: Checkpoint, quantization: str, *, context_tokens: int, slots: int = 0, on_gpu: bool = False
) -> MemoryEstimate | None:
    """The estimate; `slots` 0 follows :func:`slots_for`. ``None`` for an architecture whose KV cache isn't known."""
    width = 2 if on_gpu or checkpoint.quantization_bits else float_bytes()
    kv_values = _kv_values(checkpoint.config)
    if kv_values is None:
        return None
    kv_bytes = kv_values * width
    granted = slots_for(context_tokens, kv_bytes, slots)
    return MemoryEstimate(
        weights_bytes=sum(_bytes(checkpoint, name, t, quantization, width) for name, t in checkpoint.held.items()),
        kv_bytes_per_token=kv_bytes,
        context_tokens=context_tokens,
        slots=granted,
        compute_bytes=_compute_bytes(checkpoint, quantization, context_tokens, width)
        + granted * _logits_bytes(checkpoint.config)
        + (_GPU_CONTEXT_BYTES if on_gpu else 0),
        process_bytes=_GPU_PROCESS_BYTES if on_gpu else _PROCESS_BYTES,
        keeps_prompts=False,
        on_gpu=on_gpu,
    )


@functools.cache
def float_bytes(cpuinfo: Path = Path("/proc/cpuinfo")) -> int:
    """Bytes per value in the precision that this machine's CPU computes fast."""
    try:
        with cpuinfo.open(encoding="ascii", errors="replace") as lines:
            flags = next((line.split() for line in lines if line.startswith(("flags", "Features"))), [])
    except OSError:  # not Linux
        flags = []
    return 2 if any(flag in flags for flag in _BFLOAT16_FLAGS) else 4


def _bytes(checkpoint: Checkpoint, name: str, tensor: TensorInfo, quantization: str, width: int) -> int:
    if tensor.dtype == "I8":  # packed: a byte holds one weight or two
        return tensor.size_bytes
    linear = len(tensor.shape) == 2 and not _NOT_LINEAR.search(name)
    if checkpoint.quantization_bits or not linear or quantization not in ("int8", "nf4"):
        return tensor.elements * width
    if quantization == "int8":
        return tensor.elements + tensor.shape[0] * _SCALE_BYTES
    return tensor.elements // 2 + -(-tensor.elements // _NF4_BLOCK) * _SCALE_BYTES


def _kv_values(config: Mapping[str, Any]) -> int | None:
    """Values per token in the KV cache, from a ``config.json``; ``None`` if it does not contain enough."""
    if (known := kv_values_for(config)) is not None:
        return known
    layers, heads = whole(config, "num_hidden_layers", "n_layer"), whole(config, "num_attention_heads", "n_head")
    hidden = whole(config, "hidden_size", "n_embd")
    if not layers or not heads or not hidden:
        return None
    kv_heads = whole(config, "num_key_value_heads") or heads
    return 2 * layers * kv_heads * (whole(config, "head_dim") or hidden // heads)


def _compute_bytes(checkpoint: Checkpoint, quantization: str, context_tokens: int, width: int) -> int:
    config = checkpoint.config
    hidden = whole(config, "hidden_size", "n_embd")
    inner = whole(config, "inner_hidden_size", "ffn_hidden_size", "intermediate_size", "n_inner") or 4 * hidden
    one_pass = checkpoint.is_chatglm and chatglm.generation(config) == "chatglm"
    rows = context_tokens if one_pass else min(context_tokens, TORCH_CHUNK_TOKENS)
    mask_bytes = rows * context_tokens * (1 + width)  # attention mask: as booleans, and as values added to the scores
    extra_bytes = width * inner * hidden if checkpoint.quantization_bits else 0  # one matrix, unpacked for prefill
    if quantization in ("int8", "nf4") and not checkpoint.quantization_bits:
        expanded_bytes = 16 * inner * rows + 8 * inner * hidden if quantization == "int8" else 0
        extra_bytes = 4 * width * inner * hidden + expanded_bytes
    return max(_MIN_COMPUTE_BYTES, rows * width * (5 * hidden + 3 * inner) + mask_bytes) + extra_bytes


def _logits_bytes(config: Mapping[str, Any]) -> int:
    """One row of logits in float32, with the copy and the sort order that sampling makes."""
    return 16 * whole(config, "vocab_size", "padded_vocab_size")


def whole(config: Mapping[str, Any], *keys: str) -> int:
    """The value of the first of `keys` that is a positive integer below 2³¹, else 0."""
    return next((v for key in keys if type(v := config.get(key)) is int and 0 < v < 1 << 31), 0)
