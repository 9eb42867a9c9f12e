"""The description of an architecture: tensor shapes and KV cache size, computed from a ``config.json``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Config = Mapping[str, Any]  # a config.json
Kind = Literal["float", "int8"]

MAX_LAYERS = 1024

_MAX_SIZE = 1 << 24  # limit of any dimension, far beyond real models


class BadConfig(ValueError):
    """The configuration is invalid; the message completes "config.json …"."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One tensor that the configuration requires."""

    name: str
    shape: tuple[int, ...]
    kind: Kind = "float"
    required: bool = True


@dataclass(frozen=True, slots=True)
class Architecture:
    """The architecture of some ``model_type``s. Its functions raise :class:`BadConfig`, the first one on iteration."""

    model_types: tuple[str, ...]
    # Configuration, and tensor names of the checkpoint (empty: not downloaded) → all required tensors.
    expected_tensors: Callable[[Config, Iterable[str]], Iterator[Expected]]
    # → values in the KV cache per token; the flag: including those that only the torch engine adds.
    kv_values_per_token: Callable[[Config, bool], int]
    tied_by_default: Callable[[Config], bool]  # transformers' default for tied input and output embeddings
    # The linear layers of a block that LoRA may target: name in the checkpoint → name in a GGUF file.
    lora_tensors: Mapping[str, str] = field(default_factory=dict)
    gguf_names: tuple[str, ...] = ()  # values of ``general.architecture`` that `lora_tensors` applies to


def size(config: Config, key: str, most: int = _MAX_SIZE) -> int:
    """A dimension of `config`. Raises :class:`BadConfig` when it is missing or above `most`."""
    value = config.get(key)
    if type(value) is not int or not 0 < value <= most:
        raise BadConfig(f"says {key} = {str(value)[:20]}; it must be a whole number from 1 to {most:,}")
    return value
