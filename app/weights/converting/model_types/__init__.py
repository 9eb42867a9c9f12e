"""The architectures that can be converted to GGUF: one file each, named for its ``model_type`` in config.json.

A new architecture is a new file that defines ``CONVERTER`` (:class:`app.weights.converting.converter.Converter`). The
files import NumPy and gguf, so they are listed by name without importing them.
"""

from __future__ import annotations

import functools
import pkgutil


@functools.cache
def convertible() -> frozenset[str]:
    """Every ``model_type`` that can be converted. Imports nothing."""
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))
