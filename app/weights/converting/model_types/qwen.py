"""Qwen2 (and 2.5) and Qwen3, without experts. Their rotated pairs lie half a head apart on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Set

import gguf

from app.weights.converting import decoder
from app.weights.converting.config import Config
from app.weights.converting.converter import Part
from app.weights.converting.rope import rope_of


class Qwen:
    """The family; see :class:`app.weights.converting.converter.Family`."""

    def architecture(self, config: Config) -> gguf.MODEL_ARCH:
        """Its name in llama.cpp."""
        return gguf.MODEL_ARCH.QWEN3 if config["model_type"] == "qwen3" else gguf.MODEL_ARCH.QWEN2

    def parts(self, config: Config, names: Set[str]) -> Iterator[Part]:
        """The tensors in the order of the computation."""
        sizes = self._sizes(config)
        return decoder.parts(self.architecture(config), sizes, rope_of(config, sizes.head), names)

    def describe(self, config: Config, writer: gguf.GGUFWriter) -> None:
        """Write the metadata that llama.cpp builds the model from."""
        # A window is used only where use_sliding_window says so; these architectures assume that it doesn't.
        decoder.describe({"use_sliding_window": False, **config}, self._sizes(config), writer)

    def is_left_out(self, name: str, config: Config) -> bool:
        """Whether a tensor of the checkpoint is rightly not carried over."""
        return decoder.is_left_out(name, self._sizes(config).tied)

    def _sizes(self, config: Config) -> decoder.Sizes:
        """Qwen3's heads are 128 wide where nothing is said, whatever the width of the model."""
        return decoder.sizes_of({"head_dim": 128, **config} if config["model_type"] == "qwen3" else config)


FAMILY = Qwen()
