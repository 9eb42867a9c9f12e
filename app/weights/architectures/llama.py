"""LLaMA, Mistral, Qwen2 and Qwen3: the tensors of a checkpoint and their shapes, from its configuration alone.

One layout, as transformers writes it: ``model.layers.N.self_attn.{q,k,v,o}_proj``, ``mlp.{gate,up,down}_proj`` and two
norms without biases. They differ in biases, in Qwen3's norms of queries and keys, and in defaults.
Linear weights are [out, in].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from app.weights.architectures.base import MAX_LAYERS, Architecture, BadConfig, Config, Expected, size

_DEFAULTS: Mapping[str, Mapping[str, int]] = {  # defaults of transformers' classes, where not derived from other keys
    "mistral": {"num_key_value_heads": 8},
    "qwen2": {"num_key_value_heads": 32},
    "qwen3": {"num_key_value_heads": 32, "head_dim": 128},
}


def expected_tensors(config: Config, _names: Iterable[str] = ()) -> Iterator[Expected]:
    """All tensors of the checkpoint. Raises :class:`~app.weights.architectures.base.BadConfig`."""
    s = _Sizes(config)
    yield Expected("model.embed_tokens.weight", (s.vocabulary, s.hidden))
    yield Expected("lm_head.weight", (s.vocabulary, s.hidden), required=not config.get("tie_word_embeddings", False))
    yield Expected("model.norm.weight", (s.hidden,))
    for i in range(s.layers):
        yield from _layer(f"model.layers.{i}", s)


def kv_values_per_token(config: Config, _lengthened: bool = False) -> int:
    """Values in the KV cache per token: keys and values of all layers. Raises as above."""
    s = _Sizes(config)
    return 2 * s.layers * s.kv_heads * s.head


class _Sizes:
    """The model's dimensions, validated, and its optional parts."""

    def __init__(self, config: Config) -> None:
        kind = str(config.get("model_type"))
        given = {**_DEFAULTS.get(kind, {}), **config}
        self.hidden = size(given, "hidden_size")
        self.layers = size(given, "num_hidden_layers", MAX_LAYERS)
        self.heads = size(given, "num_attention_heads")
        self.inner = size(given, "intermediate_size")
        self.vocabulary = size(given, "vocab_size")
        # null means "not grouped" and "derive from the hidden size", even where a missing key has another default
        grouped = given.get("num_key_value_heads") is not None
        self.kv_heads = size(given, "num_key_value_heads") if grouped else self.heads
        self.head = size(given, "head_dim") if given.get("head_dim") is not None else self._divided()
        if self.heads % self.kv_heads:
            raise BadConfig(f"has {self.heads} heads, which {self.kv_heads} key-value heads do not divide")
        biased = kind in ("llama", "qwen3") and bool(config.get("attention_bias"))
        self.qkv_biased = biased or kind == "qwen2"
        self.output_biased = biased
        self.mlp_biased = kind == "llama" and bool(config.get("mlp_bias"))
        self.normed_heads = kind == "qwen3"

    def _divided(self) -> int:
        if self.hidden % self.heads:
            raise BadConfig(f"has a hidden size of {self.hidden}, which {self.heads} heads do not divide")
        return self.hidden // self.heads


def _layer(layer: str, s: _Sizes) -> Iterator[Expected]:
    yield Expected(f"{layer}.input_layernorm.weight", (s.hidden,))
    yield Expected(f"{layer}.post_attention_layernorm.weight", (s.hidden,))
    if s.normed_heads:
        yield Expected(f"{layer}.self_attn.q_norm.weight", (s.head,))
        yield Expected(f"{layer}.self_attn.k_norm.weight", (s.head,))
    for name, rows, columns, biased in (
        ("self_attn.q_proj", s.heads * s.head, s.hidden, s.qkv_biased),
        ("self_attn.k_proj", s.kv_heads * s.head, s.hidden, s.qkv_biased),
        ("self_attn.v_proj", s.kv_heads * s.head, s.hidden, s.qkv_biased),
        ("self_attn.o_proj", s.hidden, s.heads * s.head, s.output_biased),
        ("mlp.gate_proj", s.inner, s.hidden, s.mlp_biased),
        ("mlp.up_proj", s.inner, s.hidden, s.mlp_biased),
        ("mlp.down_proj", s.hidden, s.inner, s.mlp_biased),
    ):
        yield Expected(f"{layer}.{name}.weight", (rows, columns))
        if biased:
            yield Expected(f"{layer}.{name}.bias", (rows,))


ARCHITECTURE = Architecture(
    model_types=("llama", "mistral", "qwen2", "qwen3"),
    expected_tensors=expected_tensors,
    kv_values_per_token=kv_values_per_token,
    tied_by_default=lambda _config: False,
    lora_tensors={
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    },
    gguf_names=("llama", "qwen2", "qwen3"),
)
