"""ChatGLM's layers: attention, MLP, block with scaled residuals, and the encoder of P-tuning prefixes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from app.families.chatglm.configuration import ChatGLMConfig
from app.families.glm.quantization import linear

# sqrt(2 * layers) of the 28-layer model; the original uses this value for any number of layers.
_RESIDUAL = (2 * 28) ** 0.5
KeyValue = tuple[Tensor, Tensor]  # [b, heads, n, d] each


class ChatGLMAttention(nn.Module):
    """Attention with a fused query-key-value projection, rotary positions and a configurable attention function."""

    is_causal = False
    num_key_value_groups = 1

    def __init__(self, config: ChatGLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.num_heads = config.num_attention_heads
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.rotary_parts = 2 if config.position_encoding_2d else 1
        bits = config.quantization_bit or 0
        self.query_key_value = linear(config.hidden_size, 3 * config.hidden_size, bits)
        self.dense = linear(config.hidden_size, config.hidden_size, bits)

    def forward(
        self,
        x: Tensor,  # [b, n, hidden]
        attention_mask: Tensor | None,  # bool [b, 1, n, kv]
        rotary: tuple[Tensor, Tensor],  # cosines and signed sines, [b, n, 1, 1, d]
        cache: Cache | None,
        prefix: KeyValue | None,
    ) -> tuple[Tensor, Tensor | None]:
        """[b, n, hidden], and the attention weights if the attention function returns them."""
        batch, length, _ = x.shape
        fused = self.query_key_value(x).view(batch, length, self.num_heads, 3, self.head_dim)
        turned = self._rotate(fused[:, :, :, :2], *rotary)  # query and key together
        query, key = turned.unbind(3)
        query, key, value = (part.transpose(1, 2) for part in (query, key, fused[:, :, :, 2]))  # [b, heads, n, d]
        if prefix is not None:
            key, value = torch.cat((prefix[0], key), 2), torch.cat((prefix[1], value), 2)
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        attended, weights = attend(self, query, key, value, attention_mask, scaling=self.scaling, dropout=0.0)
        return self.dense(attended.reshape(batch, length, -1)), weights

    def _rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Apply rotary embeddings; pairs are (i, i + half) within each part, and ``sin`` contains the sign."""
        swapped = x.unflatten(-1, (self.rotary_parts, 2, -1)).flip(-2).flatten(-3)
        return torch.addcmul(x * cos, swapped, sin)


def eager_attention(
    module: nn.Module,
    query: Tensor,  # [b, heads, n, d]
    key: Tensor,  # [b, heads, kv, d]
    value: Tensor,
    attention_mask: Tensor | None,  # bool [b, 1, n, kv]
    scaling: float,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Explicit attention, which also returns the weights [b, heads, n, kv]."""
    scores = (query @ key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).transpose(1, 2), weights


class ChatGLMMLP(nn.Module):
    """Two linear layers and the tanh form of GELU."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        bits = config.quantization_bit or 0
        self.dense_h_to_4h = linear(config.hidden_size, config.inner_hidden_size, bits)
        self.dense_4h_to_h = linear(config.inner_hidden_size, config.hidden_size, bits)

    def forward(self, x: Tensor) -> Tensor:
        """[..., hidden] → [..., hidden]."""
        return self.dense_4h_to_h(functional.gelu(self.dense_h_to_4h(x), approximate="tanh"))


class ChatGLMBlock(GradientCheckpointingLayer):
    """One layer: attention and MLP, with scaled residuals of the normalized input."""

    def __init__(self, config: ChatGLMConfig, layer_idx: int) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.attention = ChatGLMAttention(config, layer_idx)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.mlp = ChatGLMMLP(config)

    def forward(
        self,
        hidden: Tensor,  # [b, n, hidden]
        attention_mask: Tensor | None = None,
        rotary: tuple[Tensor, Tensor] | None = None,
        cache: Cache | None = None,
        prefix: KeyValue | None = None,
    ) -> Tensor:
        """[b, n, hidden] → [b, n, hidden]."""
        normal = self.input_layernorm(hidden)
        attended, _ = self.attention(normal, attention_mask, rotary, cache, prefix)
        normal = self.post_attention_layernorm(torch.add(attended, normal, alpha=_RESIDUAL))
        return torch.add(self.mlp(normal), normal, alpha=_RESIDUAL)


class ChatGLMPrefixEncoder(nn.Module):
    """P-tuning v2: `length` trained keys and values for every layer, before those of the tokens."""

    def __init__(self, config: ChatGLMConfig, length: int, *, projection: bool) -> None:
        super().__init__()
        size = 2 * config.num_layers * config.hidden_size
        self.length = length
        self.shape = (length, 2 * config.num_layers, config.num_attention_heads, -1)
        if projection:
            self.embedding = nn.Embedding(length, config.hidden_size)
            self.trans = nn.Sequential(
                nn.Linear(config.hidden_size, config.hidden_size), nn.Tanh(), nn.Linear(config.hidden_size, size)
            )
        else:
            self.embedding = nn.Embedding(length, size)
            self.trans = nn.Identity()

    def forward(self) -> list[KeyValue]:
        """A key and a value [heads, P, d] for each layer."""
        places = torch.arange(self.length, device=self.embedding.weight.device)
        slots = self.trans(self.embedding(places)).view(self.shape).permute(1, 2, 0, 3)  # [2L, heads, P, d]
        return [(slots[i], slots[i + 1]) for i in range(0, len(slots), 2)]


def read_prefix(config: ChatGLMConfig, weights: Mapping[str, Tensor]) -> ChatGLMPrefixEncoder:
    """Load an encoder from `weights` that were saved separately (names without the module's path).

    Raises :class:`KeyError` and :class:`RuntimeError` for weights that are not a prefix for this model.
    """
    projection = any(name.startswith("trans.") for name in weights)
    encoder = ChatGLMPrefixEncoder(config, weights["embedding.weight"].shape[0], projection=projection)
    encoder.load_state_dict(dict(weights))
    return encoder
