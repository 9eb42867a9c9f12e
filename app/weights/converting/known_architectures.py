"""The architectures that llama.cpp supports."""

from __future__ import annotations


def known_architectures() -> frozenset[str]:
    """Their names, as in ``general.architecture``, from the `gguf` package."""
    from gguf import MODEL_ARCH_NAMES

    return frozenset(MODEL_ARCH_NAMES.values())
