"""LLaMA 1 to 3, everything made from it (Alpaca, Vicuna, SmolLM2 …), and the first Mistral."""

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
    """The family; see :class:`app.weights.converting.converter.Family`."""

    def architecture(self, config: Config) -> gguf.MODEL_ARCH:
        """Its name in llama.cpp."""
        return gguf.MODEL_ARCH.LLAMA

    def parts(self, config: Config, names: Set[str]) -> Iterator[Part]:
        """The tensors in the order of the computation."""
        sizes = decoder.sizes_of(config)
        heads = {".q_proj.": sizes.heads, ".k_proj.": sizes.heads_kv}
        for part in decoder.parts(gguf.MODEL_ARCH.LLAMA, sizes, rope_of(config, sizes.head), names):
            turned = next((count for mark, count in heads.items() if mark in part.source), 0)
            yield replace(part, rows=pairs_together(turned, sizes.head)) if turned else part

    def describe(self, config: Config, writer: gguf.GGUFWriter) -> None:
        """Write the metadata that llama.cpp builds the model from."""
        decoder.describe(config, decoder.sizes_of(config), writer)

    def is_left_out(self, name: str, config: Config) -> bool:
        """Whether a tensor of the checkpoint is rightly not carried over."""
        return decoder.is_left_out(name, decoder.sizes_of(config).tied)


def pairs_together(heads: int, head: int) -> NDArray[np.intp]:
    """Which row of a Hugging Face matrix comes at each place of llama.cpp's.

    A rotation turns pairs of numbers. Hugging Face puts the two of a pair half a head apart; Meta and llama.cpp put
    them side by side.
    """
    return np.arange(heads * head).reshape(heads, 2, head // 2).swapaxes(1, 2).ravel()


FAMILY = Llama()
