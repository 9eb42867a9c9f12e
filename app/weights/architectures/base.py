"""What is known of an architecture without reading weights: the shapes of its tensors and what its cache takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Config = Mapping[str, Any]  # a config.json
Kind = Literal["float", "int8"]

MAX_LAYERS = 1024

_MAX_SIZE = 1 << 24  # of any dimension: far beyond every real model


class BadConfig(ValueError):
    """The configuration makes no sense; the message completes "config.json …"."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One tensor as the configuration asks for it."""

    name: str
    shape: tuple[int, ...]
    kind: Kind = "float"
    required: bool = True


@dataclass(frozen=True, slots=True)
class Architecture:
    """The models of some ``model_type``s. Its functions raise :class:`BadConfig`, the first one while iterated."""

    model_types: tuple[str, ...]
    # Configuration and names of the tensors that are there (none: not here yet) → all tensors of the checkpoint.
    expected_tensors: Callable[[Config, Iterable[str]], Iterator[Expected]]
    # → numbers in the cache for one token; the flag: as the torch engine keeps them, where that is more.
    kv_values_per_token: Callable[[Config, bool], int]
    tied_by_default: Callable[[Config], bool]  # as transformers has it: the output head is the embedding
    # The linear layers of a block that LoRA may change, from their names in the checkpoint to those in a GGUF file.
    lora_tensors: Mapping[str, str] = field(default_factory=dict)
    gguf_names: tuple[str, ...] = ()  # that `lora_tensors` is true for: ``general.architecture``


def size(config: Config, key: str, most: int = _MAX_SIZE) -> int:
    """A dimension of `config`. Raises :class:`BadConfig` when it is missing or out of all proportion."""
    value = config.get(key)
    if type(value) is not int or not 0 < value <= most:
        raise BadConfig(f"says {key} = {str(value)[:20]}; it must be a whole number from 1 to {most:,}")
    return value
