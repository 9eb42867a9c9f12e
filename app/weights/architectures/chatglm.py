"""ChatGLM: the tensors of a checkpoint and their shapes, from its configuration alone.

The first generation (``chatglm``) and the second and third, which share an architecture (``chatglm2``), both say
``"model_type": "chatglm"``; their configurations have different keys. Linear weights are [out, in]. The models' own
quantized layouts (``quantization_bit`` 4 or 8) hold int8 [out, in] or [out, in / 2], and ``weight_scale`` [out].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from app.weights.architectures.base import MAX_LAYERS, Architecture, BadConfig, Config, Expected, size

QUANTIZATION_BITS = (0, 4, 8)

Generation = Literal["chatglm", "chatglm2"]


def generation(config: Config) -> Generation:
    """The generation, by keys that only the later ones have."""
    newer = ("padded_vocab_size", "ffn_hidden_size")
    return "chatglm2" if any(key in config for key in newer) else "chatglm"


def quantization_bits(config: Config) -> int:
    """0, 4 or 8. Raises :class:`BadConfig` for any other width."""
    bits = config.get("quantization_bit") or 0
    if bits not in QUANTIZATION_BITS or isinstance(bits, bool):
        shown = str(bits)[:20]
        raise BadConfig(f"asks for a quantization of {shown} bits; supported are 4 and 8")
    return int(bits)


def kv_values_per_token(config: Config, _lengthened: bool = False) -> int:
    """Values in the KV cache per token: keys and values of all layers."""
    sizes = _Sizes(config)
    return 2 * sizes.layers * sizes.kv


def expected_tensors(config: Config, _names: Iterable[str] = ()) -> Iterator[Expected]:
    """All tensors of the checkpoint. Raises :class:`BadConfig`."""
    sizes = _Sizes(config)
    yield from _first(config, sizes) if sizes.generation == "chatglm" else _second(config, sizes)
    yield from _prefix(config, sizes)


def prefix_tensors(config: Config, prefix_config: Config) -> Iterator[Expected]:
    """The tensors of a P-tuning prefix that was saved without its base model, whose configuration is `config`."""
    wanted = {key: prefix_config.get(key) for key in ("pre_seq_len", "prefix_projection")}
    yield from _prefix({**config, **wanted}, _Sizes(config))


class _Sizes:
    """The model's dimensions, validated."""

    def __init__(self, config: Config) -> None:
        self.generation = generation(config)
        first = self.generation == "chatglm"
        self.hidden = size(config, "hidden_size")
        self.layers = size(config, "num_layers", MAX_LAYERS)
        self.heads = size(config, "num_attention_heads")
        self.vocabulary = size(config, "vocab_size" if first else "padded_vocab_size")
        if first:
            self.inner = size(config, "inner_hidden_size") if config.get("inner_hidden_size") else 4 * self.hidden
            self.attention = self.kv = self.hidden
        else:
            self.inner = size(config, "ffn_hidden_size")
            channels = size(config, "kv_channels")
            self.attention = self.heads * channels
            grouped = config.get("multi_query_attention", True)
            self.kv = channels * (size(config, "multi_query_group_num") if grouped else self.heads)
        if self.hidden % self.heads:
            raise BadConfig(f"has a hidden size of {self.hidden}, which {self.heads} heads do not divide")


def _first(config: Config, s: _Sizes) -> Iterator[Expected]:
    bits = quantization_bits(config)
    table_bits = bits if config.get("quantization_embeddings") else 0
    yield from _weight("transformer.word_embeddings", s.vocabulary, s.hidden, table_bits)
    tied = config.get("tie_word_embeddings", True)
    yield from _weight("lm_head", s.vocabulary, s.hidden, table_bits, required=not tied)
    yield from _norm("transformer.final_layernorm", s.hidden)
    for i in range(s.layers):
        layer = f"transformer.layers.{i}"
        yield from _norm(f"{layer}.input_layernorm", s.hidden)
        yield from _norm(f"{layer}.post_attention_layernorm", s.hidden)
        for name, rows, columns in (
            ("attention.query_key_value", 3 * s.hidden, s.hidden),
            ("attention.dense", s.hidden, s.hidden),
            ("mlp.dense_h_to_4h", s.inner, s.hidden),
            ("mlp.dense_4h_to_h", s.hidden, s.inner),
        ):
            yield from _weight(f"{layer}.{name}", rows, columns, bits)
            yield Expected(f"{layer}.{name}.bias", (rows,))


def _second(config: Config, s: _Sizes) -> Iterator[Expected]:
    bits = quantization_bits(config)
    biased = bool(config.get("add_bias_linear"))
    qkv_biased = biased or bool(config.get("add_qkv_bias", True))
    yield Expected("transformer.embedding.word_embeddings.weight", (s.vocabulary, s.hidden))
    tied = config.get("tie_word_embeddings", False)
    yield Expected("transformer.output_layer.weight", (s.vocabulary, s.hidden), required=not tied)
    if config.get("post_layer_norm", True):
        yield Expected("transformer.encoder.final_layernorm.weight", (s.hidden,))
    for i in range(s.layers):
        layer = f"transformer.encoder.layers.{i}"
        yield Expected(f"{layer}.input_layernorm.weight", (s.hidden,))
        yield Expected(f"{layer}.post_attention_layernorm.weight", (s.hidden,))
        for name, rows, columns, with_bias in (
            (
                "self_attention.query_key_value",
                s.attention + 2 * s.kv,
                s.hidden,
                qkv_biased,
            ),
            ("self_attention.dense", s.hidden, s.attention, biased),
            ("mlp.dense_h_to_4h", 2 * s.inner, s.hidden, biased),
            ("mlp.dense_4h_to_h", s.hidden, s.inner, biased),
        ):
            yield from _weight(f"{layer}.{name}", rows, columns, bits)
            if with_bias:
                yield Expected(f"{layer}.{name}.bias", (rows,))


def _prefix(config: Config, s: _Sizes) -> Iterator[Expected]:
    if not config.get("pre_seq_len"):
        return
    length, width = size(config, "pre_seq_len", 1 << 16), 2 * s.layers * s.kv
    encoder = "transformer.prefix_encoder"
    if not config.get("prefix_projection"):
        yield Expected(f"{encoder}.embedding.weight", (length, width))
        return
    # The second generation embeds into the full width before it projects.
    inner, middle = (s.hidden if s.generation == "chatglm" else width), s.hidden
    yield Expected(f"{encoder}.embedding.weight", (length, inner))
    yield Expected(f"{encoder}.trans.0.weight", (middle, inner))
    yield Expected(f"{encoder}.trans.0.bias", (middle,))
    yield Expected(f"{encoder}.trans.2.weight", (width, middle))
    yield Expected(f"{encoder}.trans.2.bias", (width,))


def _norm(name: str, width: int) -> Iterator[Expected]:
    yield Expected(f"{name}.weight", (width,))
    yield Expected(f"{name}.bias", (width,))


def _weight(name: str, rows: int, columns: int, bits: int, *, required: bool = True) -> Iterator[Expected]:
    if not bits:
        yield Expected(f"{name}.weight", (rows, columns), required=required)
        return
    yield Expected(f"{name}.weight", (rows, columns * bits // 8), "int8", required)
    yield Expected(f"{name}.weight_scale", (rows,), "float", required)


ARCHITECTURE = Architecture(
    model_types=("chatglm",),
    expected_tensors=expected_tensors,
    kv_values_per_token=kv_values_per_token,
    tied_by_default=lambda config: generation(config) == "chatglm",
)
