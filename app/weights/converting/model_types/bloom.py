"""BLOOM, BLOOMZ, and BELLE's models made from them.

Tensor names of published checkpoints have the prefix ``transformer.`` or none; their configurations use old keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

import gguf
import numpy as np
from numpy.typing import NDArray

from app.weights.converting.config import MOST_LAYERS, Config, must_be, number, whole, wrong
from app.weights.converting.converter import Part, gguf_name

_PREFIX = "transformer."
_CONTEXT_TOKENS = 2048  # in training; ALiBi has no maximum


class Bloom:
    """See :class:`app.weights.converting.converter.Converter`."""

    architecture = gguf.MODEL_ARCH.BLOOM

    def row_order(self, layer: str, heads: int, heads_kv: int, head: int) -> NDArray[np.intp] | None:
        """See :func:`_queries_keys_values`: llama.cpp's order of the fused matrix is different."""
        return _queries_keys_values(heads, head) if layer == "attn_qkv" else None

    def parts(self, config: Config, names: Set[str]) -> Iterator[Part]:
        """The tensors in the order of the computation."""
        must_be(config, "apply_residual_connection_post_layernorm", (False,), False)
        hidden, layers, heads = _hidden(config), _layers(config), _heads(config)
        prefix = _PREFIX if any(name.startswith(_PREFIX) for name in names) else ""
        known = gguf.get_tensor_name_map(self.architecture, layers)

        def part(name: str, *shape: int, rows: NDArray[np.intp] | None = None) -> Part:
            return Part(gguf_name(known, name), shape, prefix + name, rows)

        def both(module: str, rows: int, columns: int, order: NDArray[np.intp] | None = None) -> Iterator[Part]:
            yield part(f"{module}.weight", rows, columns, rows=order)
            yield part(f"{module}.bias", rows, rows=order)

        def norm(module: str) -> Iterator[Part]:
            yield part(f"{module}.weight", hidden)
            yield part(f"{module}.bias", hidden)

        yield part("word_embeddings.weight", whole(config, "vocab_size"), hidden)
        yield from norm("word_embeddings_layernorm")
        apart = self.row_order("attn_qkv", heads, heads, hidden // heads)
        for layer in range(layers):
            at = f"h.{layer}"
            yield from norm(f"{at}.input_layernorm")
            yield from both(f"{at}.self_attention.query_key_value", 3 * hidden, hidden, apart)
            yield from both(f"{at}.self_attention.dense", hidden, hidden)
            yield from norm(f"{at}.post_attention_layernorm")
            yield from both(f"{at}.mlp.dense_h_to_4h", 4 * hidden, hidden)
            yield from both(f"{at}.mlp.dense_4h_to_h", hidden, 4 * hidden)
        yield from norm("ln_f")
        if not config.get("tie_word_embeddings", True):
            yield Part(gguf_name(known, "lm_head.weight"), (whole(config, "vocab_size"), hidden), "lm_head.weight")

    def describe(self, config: Config, writer: gguf.GGUFWriter) -> None:
        """Write the metadata that llama.cpp builds the model from."""
        hidden, heads = _hidden(config), _heads(config)
        writer.add_vocab_size(whole(config, "vocab_size"))
        writer.add_context_length(whole(config, "seq_length", "n_positions", default=_CONTEXT_TOKENS))
        writer.add_embedding_length(hidden)
        writer.add_block_count(_layers(config))
        writer.add_feed_forward_length(4 * hidden)
        writer.add_head_count(heads)
        writer.add_head_count_kv(heads)
        writer.add_layer_norm_eps(number(config, "layer_norm_epsilon", default=1e-5))

    def is_left_out(self, name: str, config: Config) -> bool:
        """Whether a tensor of the checkpoint is not needed in the GGUF file."""
        return name == "lm_head.weight" and bool(config.get("tie_word_embeddings", True))


def _queries_keys_values(heads: int, head: int) -> NDArray[np.intp]:
    """The permutation of the fused matrix's rows for llama.cpp.

    BLOOM stores query, key and value of the first head, then of the second …; llama.cpp expects all queries, then all
    keys, then all values.
    """
    return np.arange(heads * 3 * head).reshape(heads, 3, head).swapaxes(0, 1).ravel()


def _hidden(config: Config) -> int:
    return whole(config, "hidden_size", "n_embed")


def _layers(config: Config) -> int:
    return whole(config, "n_layer", "num_hidden_layers", most=MOST_LAYERS)


def _heads(config: Config) -> int:
    heads = whole(config, "n_head", "num_attention_heads")
    if _hidden(config) % heads:
        raise wrong(f"has {heads} heads, which do not divide its hidden size {_hidden(config)}")
    return heads


CONVERTER = Bloom()
