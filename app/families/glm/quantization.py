"""The quantized layout of ChatGLM checkpoints (all three generations): integers and one scale for each output row.

Symmetric, per row: ``scale = max|w| / (2^(bits-1) - 1)`` kept in half precision, ``integer = round(w / scale)``, half
to even. Four bits: two columns in a byte, the even one in the high nibble, both in two's complement.

This is a reference implementation, which dequantizes the full matrix for every product. Engines may replace these
modules by faster ones; :meth:`QuantizedLinear.integers` returns the stored integers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SUPPORTED_BITS = (4, 8)


def quantize(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """``weight`` [out, in] in half precision → (integers as stored, scales float16 [out]).

    The division is done in half precision, as the published checkpoints' was; in float32 a few integers would differ by
    one. Raises :class:`ValueError` for another width than 4 or 8, and for an odd number of columns at 4 bits.
    """
    _check_bits(bits)
    half = weight.to(torch.float16)
    scale = half.abs().amax(dim=-1) / (2 ** (bits - 1) - 1)
    # Avoid 0 / 0 for a row of zeros.
    divisor = torch.where(scale == 0, torch.ones_like(scale), scale)
    integers = torch.round(half / divisor[:, None]).to(torch.int8)
    return (pack(integers) if bits == 4 else integers), scale


def pack(integers: Tensor) -> Tensor:
    """int8 [out, in] of values -8..7 → int8 [out, in / 2], even columns in the high nibble."""
    if integers.shape[-1] % 2:
        raise ValueError(f"{integers.shape[-1]} columns cannot be stored in pairs.")
    return (integers[..., 0::2] << 4) | (integers[..., 1::2] & 0xF)


def unpack(packed: Tensor) -> Tensor:
    """The inverse of :func:`pack`. Shifts of int8 keep the sign."""
    return torch.stack((packed >> 4, (packed << 4) >> 4), dim=-1).flatten(-2)


class _Quantized(nn.Module):
    """Base with the buffers ``weight`` and ``weight_scale``, named as in checkpoints."""

    weight: Tensor
    weight_scale: Tensor

    def __init__(self, rows: int, columns: int, bits: int) -> None:
        super().__init__()
        _check_bits(bits)
        self.bits = bits
        stored = columns * bits // 8
        self.register_buffer("weight", torch.zeros(rows, stored, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.zeros(rows, dtype=torch.float16))

    def integers(self) -> Tensor:
        """The stored integers, int8 [rows, columns]."""
        return unpack(self.weight) if self.bits == 4 else self.weight

    def dequantized(self, dtype: torch.dtype) -> Tensor:
        """The dequantized matrix [rows, columns]."""
        return self.integers().to(dtype) * self.weight_scale.to(dtype)[:, None]

    def forget_on_saving(self) -> None:
        """Exclude the tensors from state dicts, because another module owns them."""
        self.register_buffer("weight", self.weight, persistent=False)
        self.register_buffer("weight_scale", self.weight_scale, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Moves to a device apply to the scale, casts do not: bfloat16 would change its value."""
        scale = self.weight_scale
        module = super()._apply(fn, recurse)
        if self.weight_scale.dtype != scale.dtype:
            self.weight_scale = scale.to(self.weight_scale.device)
        return module


class QuantizedLinear(_Quantized):
    """``nn.Linear`` over a quantized matrix [out, in]."""

    def __init__(self, in_features: int, out_features: int, bits: int, bias: bool = True) -> None:
        super().__init__(out_features, in_features, bits)
        self.in_features = in_features
        self.out_features = out_features
        self.bias = nn.Parameter(torch.zeros(out_features)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] → [..., out]."""
        return functional.linear(x, self.dequantized(x.dtype), self.bias)


class QuantizedEmbedding(_Quantized):
    """``nn.Embedding`` over a quantized matrix [vocabulary, size]; only the requested rows are dequantized."""

    def __init__(self, num_embeddings: int, embedding_dim: int, bits: int) -> None:
        super().__init__(num_embeddings, embedding_dim, bits)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        # An empty buffer that follows the model's dtype.
        self.register_buffer("working", torch.zeros(0), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """[...] → [..., size]."""
        rows = self.weight[ids]
        integers = unpack(rows) if self.bits == 4 else rows
        dtype = self.working.dtype
        return integers.to(dtype) * self.weight_scale[ids].to(dtype)[..., None]


def linear(in_features: int, out_features: int, bits: int, bias: bool = True) -> nn.Module:
    """The linear layer for a checkpoint of ``bits`` (0: not quantized)."""
    if bits:
        return QuantizedLinear(in_features, out_features, bits, bias)
    return nn.Linear(in_features, out_features, bias=bias)


def embedding(num_embeddings: int, embedding_dim: int, bits: int) -> nn.Module:
    """The embedding for a checkpoint of ``bits`` (0: not quantized)."""
    if bits:
        return QuantizedEmbedding(num_embeddings, embedding_dim, bits)
    return nn.Embedding(num_embeddings, embedding_dim)


def _check_bits(bits: int) -> None:
    if bits not in SUPPORTED_BITS:
        raise ValueError(f"{bits} bits: ChatGLM's quantized layout has 4 or 8.")
