"""The architectures that can be converted to GGUF: one file each, named for its ``model_type`` in config.json.

A new architecture is a new file that defines ``CONVERTER`` (:class:`app.weights.converting.converter.Converter`). The
files import NumPy and gguf, so they are listed by name without importing them.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Mapping

from app.errors import InvalidImport


@functools.cache
def convertible() -> frozenset[str]:
    """Every ``model_type`` that can be converted. Imports nothing."""
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))


def require_convertible(config: Mapping[str, object]) -> str:
    """The ``model_type`` of a ``config.json``. Raises :class:`InvalidImport` if it can't be converted."""
    kind = config.get("model_type")
    if isinstance(kind, str) and kind in convertible():
        return kind
    known = ", ".join(sorted(convertible()))
    raise InvalidImport(
        f"Models of the architecture {str(kind)[:40]!r} can't be converted for llama.cpp; only {known} can. "
        "It runs in PyTorch as it is, or from a GGUF file if one is published.",
        architecture=str(kind)[:40],
    )
