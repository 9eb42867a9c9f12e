"""Replaces the quantized modules of a ChatGLM model by modules with fast CPU kernels.

The values stay the checkpoint's; only their memory layout changes. Matrices are packed one after the other, and each
old tensor is freed before the next, so the weights are never in memory twice. A tied int4 head and embedding share one
packed matrix.

File access is in :mod:`app.engine.torch.packed_files`, the arithmetic in :mod:`app.engine.torch.kernels`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from app.engine.torch.kernels import GROUP_SIZES, INT8_ALIGNMENT, INT8_MULTIPLE, Kernels
from app.families.glm.quantization import QuantizedEmbedding, QuantizedLinear

QUANTIZED = (QuantizedLinear, QuantizedEmbedding)


class _Packed(nn.Module):
    """Base of packed modules. Moves to a device apply to the scale, casts do not: bfloat16 would change its value."""

    scale: Tensor  # float32 [rows]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        before = dict(self._buffers)
        module = super()._apply(fn, recurse)
        for name, kept in before.items():
            now = self._buffers[name]
            if kept is not None and now is not None and now.dtype != kept.dtype:
                self._buffers[name] = kept.to(now.device)
        return module


class PackedInt4Linear(_Packed):
    """``nn.Linear`` over a 4-bit matrix in the packed layout of :class:`Kernels`."""

    packed: Tensor  # uint8
    bias: Tensor | None  # float32 [out]

    def __init__(self, linear: QuantizedLinear, kernels: Kernels) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.kernels = kernels
        self.register_buffer("packed", kernels.pack_int4(linear.weight))
        self.register_buffer("scale", linear.weight_scale.float())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] → [..., out]."""
        rows = x.reshape(-1, self.in_features)
        return self.kernels.int4(rows, self.packed, self.scale, self.bias).view(*x.shape[:-1], self.out_features)


class PackedInt8Linear(_Packed):
    """``nn.Linear`` over an 8-bit matrix in the checkpoint's layout."""

    weight: Tensor  # int8 [out, in]
    bias: Tensor | None  # float32 [out]

    def __init__(self, linear: QuantizedLinear, kernels: Kernels) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.kernels = kernels
        self.register_buffer("weight", linear.weight)
        self.register_buffer("scale", linear.weight_scale.float())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] → [..., out]."""
        if self.weight.data_ptr() % INT8_ALIGNMENT:  # tensors of a mapped file are aligned to 8 bytes only
            self.weight = self.weight.clone()
        rows = x.reshape(-1, self.in_features)
        return self.kernels.int8(rows, self.weight, self.scale, self.bias).view(*x.shape[:-1], self.out_features)


class PackedInt4Embedding(_Packed):
    """``nn.Embedding`` that reads its rows from the packed matrix of a tied head."""

    packed: Tensor

    def __init__(self, embedding: QuantizedEmbedding, head: PackedInt4Linear) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = embedding.num_embeddings, embedding.embedding_dim
        working: Tensor = embedding.get_buffer("working")
        self._dtype = working.dtype
        self.kernels = head.kernels
        self.share(head)

    def share(self, head: PackedInt4Linear) -> None:
        """Share the tensors of `head`."""
        self.register_buffer("packed", head.packed, persistent=False)
        self.register_buffer("scale", head.scale, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """[...] → [..., size]."""
        flat = ids.reshape(-1)
        rows = self.kernels.int4_rows(self.packed, flat) * self.scale[flat, None]
        return rows.to(self._dtype).view(*ids.shape, self.embedding_dim)


def pack_for_inference(model: Any) -> None:
    """Replace the quantized modules of `model` in place, one after the other.

    The model is on the CPU or, to load packed tensors into it, on the meta device. A matrix whose shape PyTorch's
    kernels do not support is left as it is: slower, with the same result. Any dtype works; bfloat16 saves casts.
    """
    packer = Packer(model)
    # Names, not modules: a list of modules would keep every old matrix alive until the end.
    for name in [name for name, module in model.named_modules() if isinstance(module, QUANTIZED)]:
        packer.pack(name)


class Packer:
    """Packs the modules of one model one by one, as their tensors are read."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._kernels = Kernels.of_this_machine()

    def pack(self, name: str) -> None:
        """Replace the module `name` if it is quantized; for a tied embedding, the head too."""
        module = self._model.get_submodule(name)
        head = self._model.get_output_embeddings()
        tied = bool(self._model.config.tie_word_embeddings)
        if isinstance(module, QuantizedEmbedding) and tied and isinstance(head, QuantizedLinear):
            head.weight, head.weight_scale = module.weight, module.weight_scale
            packed = self._packed(head)
            self._model.set_output_embeddings(packed)
            if isinstance(packed, PackedInt4Linear):
                self._model.set_input_embeddings(PackedInt4Embedding(module, packed))
        elif isinstance(module, QuantizedLinear) and not (tied and module is head):
            self._model.set_submodule(name, self._packed(module))

    def _packed(self, linear: QuantizedLinear) -> nn.Module:
        if linear.bits == 4 and linear.in_features % min(GROUP_SIZES) == 0:
            return PackedInt4Linear(linear, self._kernels)
        if linear.bits == 8 and linear.in_features % INT8_MULTIPLE == 0 and linear.out_features % INT8_MULTIPLE == 0:
            return PackedInt8Linear(linear, self._kernels)
        return linear
