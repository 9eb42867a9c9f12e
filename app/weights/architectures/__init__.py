"""What tensors a ``config.json`` asks for, by architecture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.weights.architectures import bloom, chatglm, llama
from app.weights.architectures.chatglm import Expected


def expected_for(config: Mapping[str, Any], names: Iterable[str] | None = None) -> Iterator[Expected] | None:
    """The tensors; ``None`` for an architecture whose shapes are not known exactly.

    `names` are those of the tensors that are there, where there are some: BLOOM's begin in one of two ways.
    Iterating raises :class:`~app.weights.architectures.chatglm.BadConfig`.
    """
    kind = config.get("model_type")
    if kind == "chatglm":
        return chatglm.expected_tensors(config)
    if kind in llama.MODEL_TYPES:
        return llama.expected_tensors(config)
    if kind == "bloom":
        prefix = bloom.PREFIX if names is None else bloom.prefix_of(names)
        return bloom.expected_tensors(config, prefix)
    return None


def kv_values_for(config: Mapping[str, Any], *, lengthened: bool = True) -> int | None:
    """Numbers in the cache for one token; ``None`` for an architecture whose shapes are not known exactly.

    `lengthened`: as the torch engine keeps BLOOM's keys. Raises
    :class:`~app.weights.architectures.chatglm.BadConfig`.
    """
    kind = config.get("model_type")
    if kind == "chatglm":
        return chatglm.kv_values_per_token(config)
    if kind in llama.MODEL_TYPES:
        return llama.kv_values_per_token(config)
    if kind == "bloom":
        return bloom.kv_values_per_token(config, lengthened=lengthened)
    return None


def is_tied(config: Mapping[str, Any]) -> bool:
    """Whether the output head is the embedding, and takes no memory of its own; by default as transformers has it."""
    kind = config.get("model_type")
    by_default = kind == "bloom" or (kind == "chatglm" and chatglm.generation(config) == "chatglm")
    return bool(config.get("tie_word_embeddings", by_default))
