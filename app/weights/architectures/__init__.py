"""Tensor shapes and KV cache sizes of model architectures, one module each, found by scanning this package.

A new architecture is a new module that defines ``ARCHITECTURE``. Models of other architectures are checked only
roughly, and their memory needs are unknown until they are downloaded.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping

from app.weights.architectures.base import Architecture, Config, Expected

__all__ = ["expected_for", "is_tied", "kv_values_for", "lora_tensors"]


@functools.cache
def _by_model_type() -> Mapping[str, Architecture]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "base")
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    found: list[Architecture] = [module.ARCHITECTURE for module in modules]
    return {model_type: architecture for architecture in found for model_type in architecture.model_types}


def _of(config: Config) -> Architecture | None:
    model_type = config.get("model_type")
    return _by_model_type().get(model_type) if isinstance(model_type, str) else None


def expected_for(config: Config, names: Iterable[str] = ()) -> Iterator[Expected] | None:
    """The tensors that a ``config.json`` requires; ``None`` for an architecture that is not registered.

    `names` are the checkpoint's tensor names, if it is present: BLOOM's have a prefix or not.
    Iterating raises :class:`~app.weights.architectures.base.BadConfig`.
    """
    architecture = _of(config)
    return None if architecture is None else architecture.expected_tensors(config, names)


def kv_values_for(config: Config, *, lengthened: bool = True) -> int | None:
    """Values in the KV cache per token; ``None`` for an architecture that is not registered.

    `lengthened`: including ALiBi's values, with which the torch engine extends BLOOM's keys. Raises
    :class:`~app.weights.architectures.base.BadConfig`.
    """
    architecture = _of(config)
    return None if architecture is None else architecture.kv_values_per_token(config, lengthened)


def is_tied(config: Config) -> bool:
    """Whether the output head shares the embedding's weights; the defaults are transformers'."""
    architecture = _of(config)
    by_default = architecture is not None and architecture.tied_by_default(config)
    return bool(config.get("tie_word_embeddings", by_default))


def lora_tensors() -> Mapping[str, Mapping[str, str]]:
    """The linear layers that LoRA may target, PEFT name → GGUF name, by ``general.architecture`` of a GGUF file."""
    return {
        name: architecture.lora_tensors
        for architecture in _by_model_type().values()
        for name in architecture.gguf_names
    }
