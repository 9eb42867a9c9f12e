"""Which architectures llama.cpp knows by the names in GGUF files."""

from __future__ import annotations


def known_architectures() -> frozenset[str]:
    """Their names, as ``general.architecture`` gives them: those of the `gguf` package."""
    from gguf import MODEL_ARCH_NAMES

    return frozenset(MODEL_ARCH_NAMES.values())
