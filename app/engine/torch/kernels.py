"""Matrix products with 4- and 8-bit weights on a CPU.

4-bit products use :mod:`app.engine.torch.c_kernels` where it can be built. All others use PyTorch: the product is
computed with the integers, which are exact in bfloat16, and each row's scale is applied to the result in float32. There
are two methods:

- *few rows* (decode): PyTorch's packed kernels read the integers once, ``_weight_int4pack_mm_for_cpu`` and
  ``_weight_int8pack_mm``. Only their bfloat16 variants are vectorized.
- *many rows* (prefill): the matrix is unpacked block by block into a small scratch buffer that stays in the CPU cache,
  followed by an ordinary matrix product: in bfloat16 where the CPU has instructions for it, else in float32.

Without the C kernels, the 4-bit layout is that of PyTorch's kernel. A block holds ``2 * half`` rows of the matrix; byte
[k, j] of a block holds column k of row j in its low nibble and of row ``half + j`` in its high nibble, each plus 8.
``half`` is 32 with AVX-512 and 16 with AVX2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from app.engine.torch.c_kernels import Int4Library, int4_library
from app.families.glm.quantization import unpack

# Columns that share a scale in PyTorch's int4 kernel: all 1 here, so the more the better.
GROUP_SIZES = (256, 128, 64, 32)
INT8_ALIGNMENT = 16  # bytes: with four rows or more the int8 kernel crashes on unaligned weights
INT8_MULTIPLE = 32  # the int8 kernel reads out of bounds unless dimensions are multiples of this

_SCRATCH_ELEMENTS = 1 << 22  # unpacked at once: 8 MiB in bfloat16
_INT4_ROWS_AT_ONCE = 4  # one call with five rows takes as long as one with eight
# Up to this number of rows the packed kernels are faster than unpacking; measured on Zen 4.
_FEW_INT4_ROWS = 28
_FEW_INT8_ROWS = 8


@dataclass(slots=True)
class Kernels:
    """The kernels for this machine, and the scratch buffers that a model's layers share. Not thread-safe."""

    half: int
    packed_product: bool  # whether PyTorch has a vectorized kernel for few rows
    wide: torch.dtype  # the precision of products with many rows
    library: Int4Library | None = None  # the C kernels for 4-bit products
    _scratch: dict[torch.dtype, Tensor] = field(default_factory=dict)
    _neutral: dict[tuple[int, ...], Tensor] = field(default_factory=dict)

    @classmethod
    def of_this_machine(cls) -> Kernels:
        """Kernels chosen by the instruction set that PyTorch uses on this machine."""
        capability = torch.backends.cpu.get_cpu_capability()
        fast_bfloat16 = capability.startswith("AVX512") and (
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
        return cls(
            half=16 if capability == "AVX2" else 32,
            packed_product=capability == "AVX2" or capability.startswith("AVX512"),
            wide=torch.bfloat16 if fast_bfloat16 else torch.float32,
            library=int4_library(),
        )

    @property
    def layout(self) -> str:
        """The name of the packed layout; packed files with another layout can't be used."""
        return "native" if self.library else f"torch-{self.half}"

    def pack_int4(self, weight: Tensor) -> Tensor:
        """Pack a checkpoint's int8 [out, in / 2] (even columns in high nibbles) to uint8 in this machine's layout."""
        return self.library.pack(weight) if self.library else pack_int4(weight, self.half)

    def int4_rows(self, packed: Tensor, rows: Tensor) -> Tensor:
        """The integers of some rows [n] of a packed matrix, int8 [n, in]."""
        return self.library.rows(packed, rows) if self.library else int4_rows(packed, rows)

    def int4(self, x: Tensor, packed: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        """``x`` [m, in], ``packed`` from :meth:`pack_int4`, ``scale``, ``bias`` float32 [out] → [m, out] like ``x``."""
        if self.library:
            return self.library.product(x, packed, scale, bias)
        if len(x) > _FEW_INT4_ROWS or not self.packed_product:
            return self._many(x, scale, bias, self._int4_pieces(packed), halves=2)
        blocks, columns, half = packed.shape
        rows = blocks * 2 * half
        group = next(size for size in GROUP_SIZES if columns % size == 0)
        neutral = self._neutral_groups(columns // group, rows)
        products = [
            torch.ops.aten._weight_int4pack_mm_for_cpu(part, packed.view(rows, columns // 2), group, neutral)
            for part in torch.split(x.to(torch.bfloat16), _INT4_ROWS_AT_ONCE)
        ]
        product = products[0] if len(products) == 1 else torch.cat(products)
        return _scaled(product[:, : len(scale)], scale, bias).to(x.dtype)

    def int8(self, x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
        """``x`` [m, in], ``weight`` int8 [out, in], ``scale`` and ``bias`` float32 [out] → [m, out] like ``x``."""
        if len(x) > _FEW_INT8_ROWS or not self.packed_product:
            return self._many(x, scale, bias, self._int8_pieces(weight), halves=1)
        product = torch.ops.aten._weight_int8pack_mm(x.to(torch.bfloat16), weight, self._neutral_rows(len(weight)))
        return _scaled(product, scale, bias).to(x.dtype)

    def _many(self, x: Tensor, scale: Tensor, bias: Tensor | None, pieces: Iterator[Tensor], halves: int) -> Tensor:
        """The product with many rows, scaled block by block, so that the result is the only large tensor."""
        m, start = len(x), 0
        out = x.new_empty(m, len(scale))
        rows = x.to(self.wide)
        for piece in pieces:  # [in, columns]
            product = rows @ piece
            flat = product if halves == 1 else product.view(m, -1, self.half, halves).transpose(2, 3).reshape(m, -1)
            end = min(start + flat.shape[1], len(scale))
            part = None if bias is None else bias[start:end]
            out[:, start:end] = _scaled(flat[:, : end - start], scale[start:end], part)
            start = end
        return out

    def _int4_pieces(self, packed: Tensor) -> Iterator[Tensor]:
        """Unpack some blocks at a time to `wide`, [in, rows]; columns 2j, 2j + 1 of a block are rows j, half + j."""
        _, columns, half = packed.shape
        at_once = max(1, _SCRATCH_ELEMENTS // (columns * 2 * half))
        for part in torch.split(packed, at_once):
            pairs = self._buffer(part.shape, torch.int32)
            # Spread a byte's two nibbles over the two 16-bit halves of a word: multiply to duplicate it, then mask.
            pairs.copy_(part).mul_(0x1001).bitwise_and_(0x000F000F)
            integers = pairs.view(torch.int16).sub_(8)  # [blocks, in, 2 * half]
            # One wide matrix instead of many: starting all threads for each product costs more than this reordering.
            wide = self._buffer(torch.Size((columns, len(part), 2 * half)), self.wide)
            yield wide.copy_(integers.transpose(0, 1)).view(columns, -1)

    def _int8_pieces(self, weight: Tensor) -> Iterator[Tensor]:
        """Unpack some rows at a time to `wide`, [in, rows]."""
        for part in torch.split(weight, max(1, _SCRATCH_ELEMENTS // weight.shape[1])):
            yield self._buffer(part.shape, self.wide).copy_(part).t()

    def _buffer(self, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """The scratch buffer of that dtype, viewed as `shape`; overwrites earlier contents."""
        size = shape.numel()
        if dtype not in self._scratch or self._scratch[dtype].numel() < size:
            self._scratch[dtype] = torch.empty(size, dtype=dtype)
        return self._scratch[dtype][:size].view(shape)

    def _neutral_groups(self, groups: int, rows: int) -> Tensor:
        """Scale 1 and zero point 0 for each group, [groups, rows, 2], as the int4 kernel requires."""
        key = (groups, rows)
        if key not in self._neutral:
            self._neutral[key] = torch.tensor([1.0, 0.0], dtype=torch.bfloat16).expand(groups, rows, 2).contiguous()
        return self._neutral[key]

    def _neutral_rows(self, rows: int) -> Tensor:
        key = (rows,)
        if key not in self._neutral:
            self._neutral[key] = torch.ones(rows, dtype=torch.bfloat16)
        return self._neutral[key]


def pack_int4(weight: Tensor, half: int) -> Tensor:
    """Pack a checkpoint's int8 [out, in / 2] (even columns in high nibbles) to uint8 [blocks, in, half], padded."""
    out_features, columns = weight.shape[0], 2 * weight.shape[1]
    block = 2 * half
    packed = weight.new_empty((-(-out_features // block), columns, half), dtype=torch.uint8)
    if weight.is_meta:
        return packed
    at_once = max(1, _SCRATCH_ELEMENTS // (block * columns))
    for place, rows in zip(torch.split(packed, at_once), torch.split(weight, at_once * block), strict=True):
        nibbles = unpack(rows).add_(8)
        if missing := len(place) * block - len(rows):
            nibbles = torch.cat((nibbles, nibbles.new_full((missing, columns), 8)))
        low, high = nibbles.view(torch.uint8).view(len(place), 2, half, columns).unbind(1)
        place.copy_((low | (high << 4)).transpose(1, 2))
    return packed


def int4_rows(packed: Tensor, rows: Tensor) -> Tensor:
    """The integers of some rows [n] of a packed matrix, int8 [n, in]."""
    half = packed.shape[2]
    block, place = rows // (2 * half), rows % (2 * half)
    both = packed[block, :, place % half]  # [n, in]
    return torch.where((place < half)[:, None], both & 15, both >> 4).to(torch.int8) - 8


def _scaled(product: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    """Apply scale and bias in float32, whatever the product's dtype."""
    return product * scale if bias is None else torch.addcmul(bias, product, scale)
