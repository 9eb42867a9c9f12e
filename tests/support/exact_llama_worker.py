"""The llama.cpp worker without any rounding to half precision: what it computes can be compared with PyTorch.

It answers as :mod:`app.engine.llama_cpp.worker` does, which keeps keys and values in half precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.engine.llama_cpp import worker

_rounded = worker.server_parameters


def exact(config: dict[str, Any], adapters: Mapping[str, Path]) -> Any:
    """The same parameters, without rounding."""
    import xllamacpp

    params = _rounded(config, adapters)
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return params


if __name__ == "__main__":
    worker.server_parameters = exact
    worker.main()
