"""Qwen3, without experts: Qwen2 with a head size independent of the hidden size."""

from __future__ import annotations

import gguf

from app.weights.converting import decoder
from app.weights.converting.config import Config
from app.weights.converting.model_types.qwen2 import Qwen2


class Qwen3(Qwen2):
    """See :class:`app.weights.converting.converter.Converter`."""

    architecture = gguf.MODEL_ARCH.QWEN3

    def sizes(self, config: Config) -> decoder.Sizes:
        """The dimensions of the model; the default head size is 128."""
        return decoder.sizes_of({"head_dim": 128, **config})


CONVERTER = Qwen3()
