"""Shared conversion of LLaMA, Qwen2 and Qwen3: decoders with rotary positions, grouped-query attention, gated MLP."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import gguf

from app.weights.converting.config import MOST_LAYERS, Config, must_be, number, whole, wrong
from app.weights.converting.converter import Part, gguf_name
from app.weights.converting.rope import Rope, rope_of


@dataclass(frozen=True, slots=True)
class Sizes:
    """The dimensions of a model, from its configuration."""

    vocabulary: int
    layers: int
    hidden: int
    feed_forward: int
    heads: int
    heads_kv: int
    head: int  # size of one head
    tied: bool  # the output head is the embedding


def sizes_of(config: Config, *, tied: bool = False) -> Sizes:
    """The dimensions in `config`; `tied` is the default of ``tie_word_embeddings``. Raises :class:`InvalidImport`."""
    must_be(config, "hidden_act", ("silu", "swish"), "silu")
    heads, hidden = whole(config, "num_attention_heads"), whole(config, "hidden_size")
    heads_kv = whole(config, "num_key_value_heads", default=heads)
    head = whole(config, "head_dim", default=hidden // heads)
    if heads % heads_kv or head % 2:
        raise wrong(f"has {heads} heads, {heads_kv} of them for keys, of {head} numbers each, which don't match")
    return Sizes(
        vocabulary=whole(config, "vocab_size"),
        layers=whole(config, "num_hidden_layers", most=MOST_LAYERS),
        hidden=hidden,
        feed_forward=whole(config, "intermediate_size"),
        heads=heads,
        heads_kv=heads_kv,
        head=head,
        tied=bool(config.get("tie_word_embeddings", tied)),
    )


def parts(architecture: gguf.MODEL_ARCH, s: Sizes, rope: Rope, names: Set[str]) -> Iterator[Part]:
    """All tensors; biases and the norms of queries and keys only where the checkpoint has them."""
    known = gguf.get_tensor_name_map(architecture, s.layers)

    def part(source: str, *shape: int) -> Part:
        return Part(gguf_name(known, source), shape, source)

    yield part("model.embed_tokens.weight", s.vocabulary, s.hidden)
    if rope.factors is not None:
        yield Part("rope_freqs.weight", rope.factors.shape, values=rope.factors)
    for layer in range(s.layers):
        for source, shape in _layer(f"model.layers.{layer}", s):
            if len(shape) == 2 or source in names or source.endswith("layernorm.weight"):
                yield part(source, *shape)
    yield part("model.norm.weight", s.hidden)
    if not s.tied:
        yield part("lm_head.weight", s.vocabulary, s.hidden)


def _layer(at: str, s: Sizes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tensors of one layer, including those that only some models have."""
    yield f"{at}.input_layernorm.weight", (s.hidden,)
    wide, narrow = s.heads * s.head, s.heads_kv * s.head
    for kind, rows, columns in (("q", wide, s.hidden), ("k", narrow, s.hidden), ("v", narrow, s.hidden)):
        yield f"{at}.self_attn.{kind}_proj.weight", (rows, columns)
        yield f"{at}.self_attn.{kind}_proj.bias", (rows,)
    yield f"{at}.self_attn.q_norm.weight", (s.head,)
    yield f"{at}.self_attn.k_norm.weight", (s.head,)
    yield f"{at}.self_attn.o_proj.weight", (s.hidden, wide)
    yield f"{at}.self_attn.o_proj.bias", (s.hidden,)
    yield f"{at}.post_attention_layernorm.weight", (s.hidden,)
    for kind, rows, columns in (
        ("gate", s.feed_forward, s.hidden),
        ("up", s.feed_forward, s.hidden),
        ("down", s.hidden, s.feed_forward),
    ):
        yield f"{at}.mlp.{kind}_proj.weight", (rows, columns)
        yield f"{at}.mlp.{kind}_proj.bias", (rows,)


def describe(config: Config, s: Sizes, writer: gguf.GGUFWriter) -> None:
    """Write the metadata that these architectures share."""
    rope = rope_of(config, s.head)
    writer.add_vocab_size(s.vocabulary)
    writer.add_context_length(_context(config, rope))
    writer.add_embedding_length(s.hidden)
    writer.add_block_count(s.layers)
    writer.add_feed_forward_length(s.feed_forward)
    writer.add_head_count(s.heads)
    writer.add_head_count_kv(s.heads_kv)
    writer.add_key_length(s.head)
    writer.add_value_length(s.head)
    writer.add_layer_norm_rms_eps(number(config, "rms_norm_eps", default=1e-6))
    writer.add_rope_dimension_count(s.head)
    rope.describe(writer)


def _context(config: Config, rope: Rope) -> int:
    """The context in tokens, limited to a sliding window, which llama.cpp does not support for these architectures."""
    context = min(whole(config, "max_position_embeddings", default=2048), rope.most_tokens)
    slides = config.get("sliding_window") is not None and config.get("use_sliding_window", True)
    return min(context, whole(config, "sliding_window")) if slides else context


def is_left_out(name: str, tied: bool) -> bool:
    """Whether `name` is a rotary table, as in old checkpoints, or the head of a tied model."""
    return name.endswith("rotary_emb.inv_freq") or (tied and name == "lm_head.weight")
