"""Qwen2 and 2.5, without experts. Rotary pairs are half a head apart, both in the checkpoint and in llama.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Set

import gguf
import numpy as np
from numpy.typing import NDArray

from app.weights.converting import decoder
from app.weights.converting.config import Config
from app.weights.converting.converter import Part
from app.weights.converting.rope import rope_of


class Qwen2:
    """See :class:`app.weights.converting.converter.Converter`."""

    architecture = gguf.MODEL_ARCH.QWEN2

    def row_order(self, layer: str, heads: int, heads_kv: int, head: int) -> NDArray[np.intp] | None:
        """``None``: the same order as in the checkpoint."""
        return None

    def parts(self, config: Config, names: Set[str]) -> Iterator[Part]:
        """The tensors in the order of the computation."""
        sizes = self.sizes(config)
        return decoder.parts(self.architecture, sizes, rope_of(config, sizes.head), names)

    def describe(self, config: Config, writer: gguf.GGUFWriter) -> None:
        """Write the metadata that llama.cpp builds the model from."""
        # The sliding window is off unless use_sliding_window is set; llama.cpp assumes that it is off.
        decoder.describe({"use_sliding_window": False, **config}, self.sizes(config), writer)

    def is_left_out(self, name: str, config: Config) -> bool:
        """Whether a tensor of the checkpoint is not needed in the GGUF file."""
        return decoder.is_left_out(name, self.sizes(config).tied)

    def sizes(self, config: Config) -> decoder.Sizes:
        """The dimensions of the model."""
        return decoder.sizes_of(config)


CONVERTER = Qwen2()
