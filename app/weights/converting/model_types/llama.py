"""LLaMA 1 to 3, and models derived from it (Alpaca, Vicuna, SmolLM2 …)."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace

import gguf
import numpy as np
from numpy.typing import NDArray

from app.weights.converting import decoder
from app.weights.converting.config import Config
from app.weights.converting.converter import Part
from app.weights.converting.rope import rope_of


class Llama:
    """See :class:`app.weights.converting.converter.Converter`."""

    architecture = gguf.MODEL_ARCH.LLAMA

    def row_order(self, layer: str, heads: int, heads_kv: int, head: int) -> NDArray[np.intp] | None:
        """See :func:`_pairs_together`: llama.cpp's row order of queries and keys is different."""
        turned = {"attn_q": heads, "attn_k": heads_kv}.get(layer)
        return None if turned is None else _pairs_together(turned, head)

    def parts(self, config: Config, names: Set[str]) -> Iterator[Part]:
        """The tensors in the order of the computation."""
        sizes = decoder.sizes_of(config)
        for part in decoder.parts(self.architecture, sizes, rope_of(config, sizes.head), names):
            layer = part.name.split(".")[-2]
            yield replace(part, rows=self.row_order(layer, sizes.heads, sizes.heads_kv, sizes.head))

    def describe(self, config: Config, writer: gguf.GGUFWriter) -> None:
        """Write the metadata that llama.cpp builds the model from."""
        decoder.describe(config, decoder.sizes_of(config), writer)

    def is_left_out(self, name: str, config: Config) -> bool:
        """Whether a tensor of the checkpoint is not needed in the GGUF file."""
        return decoder.is_left_out(name, decoder.sizes_of(config).tied)


def _pairs_together(heads: int, head: int) -> NDArray[np.intp]:
    """The permutation of a Hugging Face matrix's rows for llama.cpp.

    Rotary embeddings rotate pairs of dimensions. In Hugging Face's layout the two are half a head apart; in Meta's and
    llama.cpp's they are adjacent.
    """
    return np.arange(heads * head).reshape(heads, 2, head // 2).swapaxes(1, 2).ravel()


CONVERTER = Llama()
