"""Qwen3, without experts: Qwen2 with heads whose width does not follow from the model's."""

from __future__ import annotations

import gguf

from app.weights.converting import decoder
from app.weights.converting.config import Config
from app.weights.converting.model_types.qwen2 import Qwen2


class Qwen3(Qwen2):
    """See :class:`app.weights.converting.converter.Converter`."""

    architecture = gguf.MODEL_ARCH.QWEN3

    def sizes(self, config: Config) -> decoder.Sizes:
        """Heads are 128 wide where nothing is said, whatever the width of the model."""
        return decoder.sizes_of({"head_dim": 128, **config})


CONVERTER = Qwen3()
