"""One layer of BLOOM: norm, attention, norm, MLP."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BloomConfig, Cache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from app.families.bloom.alibi import EXTRA

BiasParts = tuple[Tensor, Tensor]


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Explicit attention with an additive mask: output [b, n, heads, d] and weights [b, heads, n, kv]."""
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = functional.dropout(scores.softmax(-1, dtype=torch.float32).to(query.dtype), dropout, module.training)
    return (weights @ value).transpose(1, 2), weights


class Attention(nn.Module):
    """Attention with ALiBi in the last dimensions of queries and keys (:mod:`app.families.bloom.alibi`)."""

    is_causal = True  # used by transformers' attention functions when there is no mask

    def __init__(self, config: BloomConfig, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.heads = config.n_head
        self.head_dim = config.hidden_size // self.heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self, hidden: Tensor, *, mask: Tensor | None, bias: BiasParts, cache: Cache | None, **kwargs: Any
    ) -> Tensor:
        """[b, n, H] to [b, n, H]; adds the new keys and values to `cache`.

        Values are padded with zeros: memory-efficient kernels need equal sizes of queries, keys and values.
        """
        mixed = self.query_key_value(hidden).unflatten(-1, (self.heads, 3, self.head_dim))
        query, key, value = mixed.transpose(1, 2).unbind(3)  # [b, heads, n, d] each
        query = torch.cat((query * self.head_dim**-0.5, bias[0]), -1)
        key = torch.cat((key, bias[1]), -1)
        value = functional.pad(value, (0, EXTRA))
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        dropout = self.config.attention_dropout if self.training else 0.0
        output, _ = attend(self, query, key, value, mask, scaling=1.0, dropout=dropout, **kwargs)
        attended: Tensor = self.dense(output[..., : self.head_dim].flatten(2))
        return attended


class MLP(nn.Module):
    """Two linear layers with four times the hidden size, and GELU with the tanh approximation."""

    def __init__(self, config: BloomConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, 4 * config.hidden_size)
        self.dense_4h_to_h = nn.Linear(4 * config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """[b, n, H] to [b, n, H]."""
        output: Tensor = self.dense_4h_to_h(functional.gelu(self.dense_h_to_4h(hidden), approximate="tanh"))
        return output


class Layer(GradientCheckpointingLayer):
    """h + attention(norm(h)), then h + MLP(norm(h)); optionally the residual is norm(h) instead of h."""

    def __init__(self, config: BloomConfig, layer_idx: int) -> None:
        super().__init__()
        self.dropout = config.hidden_dropout
        self.adds_to_normed = config.apply_residual_connection_post_layernorm
        self.input_layernorm = nn.LayerNorm(config.hidden_size, config.layer_norm_epsilon)
        self.self_attention = Attention(config, layer_idx)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, config.layer_norm_epsilon)
        self.mlp = MLP(config)

    def forward(self, hidden: Tensor, **kwargs: Any) -> Tensor:
        """[b, n, H] to [b, n, H]; `kwargs` are those of :class:`Attention`."""
        normed = self.input_layernorm(hidden)
        residual = normed if self.adds_to_normed else hidden
        hidden = residual + self._dropped(self.self_attention(normed, **kwargs))
        normed = self.post_attention_layernorm(hidden)
        residual = normed if self.adds_to_normed else hidden
        return residual + self._dropped(self.mlp(normed))

    def _dropped(self, hidden: Tensor) -> Tensor:
        return functional.dropout(hidden, self.dropout, self.training) if self.training else hidden
