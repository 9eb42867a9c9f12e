"""BLOOM: the tensors of a checkpoint and their shapes, from its configuration alone.

Published folders name their sizes by two sets of keys (``n_layer`` or ``num_hidden_layers`` and so on) and their
tensors with ``transformer.`` before them or without. Linear weights are [out, in]; the head is tied to the embedding
unless the configuration says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.weights.architectures.base import MAX_LAYERS, Architecture, BadConfig, Config, Expected, size

PREFIX = "transformer."
ALIBI_VALUES = 8  # added to each head by the torch engine (app.families.bloom.alibi)

_SYNONYMS = {
    "hidden_size": ("hidden_size", "n_embed"),
    "n_layer": ("n_layer", "num_hidden_layers"),
    "n_head": ("n_head", "num_attention_heads"),
    "vocab_size": ("vocab_size",),
}


def expected_tensors(config: Config, names: Iterable[str] = ()) -> Iterator[Expected]:
    """All tensors of the checkpoint. Raises :class:`~app.weights.architectures.base.BadConfig`."""
    s = _Sizes(config)
    prefix = _prefix_of(names)
    yield Expected(f"{prefix}word_embeddings.weight", (s.vocabulary, s.hidden))
    yield Expected("lm_head.weight", (s.vocabulary, s.hidden), required=not is_tied(config))
    yield from _pair(f"{prefix}word_embeddings_layernorm", s.hidden)
    yield from _pair(f"{prefix}ln_f", s.hidden)
    for i in range(s.layers):
        layer = f"{prefix}h.{i}"
        yield from _pair(f"{layer}.input_layernorm", s.hidden)
        yield from _pair(f"{layer}.post_attention_layernorm", s.hidden)
        yield from _pair(f"{layer}.self_attention.query_key_value", 3 * s.hidden, s.hidden)
        yield from _pair(f"{layer}.self_attention.dense", s.hidden, s.hidden)
        yield from _pair(f"{layer}.mlp.dense_h_to_4h", 4 * s.hidden, s.hidden)
        yield from _pair(f"{layer}.mlp.dense_4h_to_h", s.hidden, 4 * s.hidden)


def is_tied(config: Config) -> bool:
    """Whether the head is tied to the embedding, which is the default."""
    return bool(config.get("tie_word_embeddings", True))


def _prefix_of(names: Iterable[str]) -> str:
    """The prefix of a checkpoint's tensor names; the most common one if the checkpoint is not downloaded."""
    given = list(names)
    return PREFIX if not given or any(name.startswith(PREFIX) for name in given) else ""


def kv_values_per_token(config: Config, lengthened: bool = True) -> int:
    """Values in the KV cache per token; `lengthened`: including ALiBi's, as in the torch engine."""
    s = _Sizes(config)
    return 2 * s.layers * (s.hidden + (s.heads * ALIBI_VALUES if lengthened else 0))


class _Sizes:
    """The model's dimensions, validated."""

    def __init__(self, config: Config) -> None:
        given = {name: _agreed(config, synonyms) for name, synonyms in _SYNONYMS.items()}
        self.hidden = size(given, "hidden_size")
        self.layers = size(given, "n_layer", MAX_LAYERS)
        self.heads = size(given, "n_head")
        self.vocabulary = size(given, "vocab_size")
        if self.hidden % self.heads:
            raise BadConfig(f"has a hidden size of {self.hidden}, which {self.heads} heads do not divide")


def _agreed(config: Config, synonyms: tuple[str, ...]) -> object:
    """The common value of all `synonyms` that are present; ``None`` where there is none."""
    found = [(key, config[key]) for key in synonyms if config.get(key) is not None]
    for key, value in found[1:]:
        if value != found[0][1]:
            raise BadConfig(f"says {found[0][0]} = {str(found[0][1])[:20]} and {key} = {str(value)[:20]}")
    return found[0][1] if found else None


def _pair(name: str, rows: int, columns: int = 0) -> Iterator[Expected]:
    """Weight and bias of a linear layer, or (without `columns`) of a norm."""
    yield Expected(f"{name}.weight", (rows, columns) if columns else (rows,))
    yield Expected(f"{name}.bias", (rows,))


ARCHITECTURE = Architecture(
    model_types=("bloom",),
    expected_tensors=expected_tensors,
    kv_values_per_token=kv_values_per_token,
    tied_by_default=lambda _config: True,
    lora_tensors={
        "self_attention.query_key_value": "attn_qkv",
        "self_attention.dense": "attn_output",
        "mlp.dense_h_to_4h": "ffn_up",
        "mlp.dense_4h_to_h": "ffn_down",
    },
    gguf_names=("bloom",),
)
