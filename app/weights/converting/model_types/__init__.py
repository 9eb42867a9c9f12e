"""The architectures that can be converted to GGUF: one file each, named for its ``model_type`` in config.json.

A new one is a new file here that defines ``CONVERTER`` (:class:`app.weights.converting.converter.Converter`); nothing
else changes. The files need NumPy and gguf, so their names alone say which there are.
"""

from __future__ import annotations

import functools
import pkgutil


@functools.cache
def convertible() -> frozenset[str]:
    """Every ``model_type`` that can be converted. Imports nothing."""
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))
