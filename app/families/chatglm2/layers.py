"""One layer of ChatGLM2: norm, attention, norm, MLP."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import Cache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from app.families.chatglm2.attention import Rotary, eager_attention, rotate
from app.families.chatglm2.configuration import ChatGLM2Config
from app.families.chatglm2.prefix import KeyValue
from app.families.glm.quantization import linear


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + epsilon) · weight, computed in float32."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[b, n, H] to [b, n, H] of the same type."""
        normed = functional.rms_norm(hidden.to(torch.float32), self.weight.shape, None, self.epsilon)
        return (self.weight * normed).to(hidden.dtype)


class SelfAttention(nn.Module):
    """Attention in which consecutive N/G query heads share one key and value head."""

    is_causal = True  # used by transformers' attention functions when there is no mask

    def __init__(self, config: ChatGLM2Config, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        self.heads, self.groups = config.num_attention_heads, config.multi_query_group_num
        self.num_key_value_groups = self.heads // self.groups
        self.head_dim = config.kv_channels
        self.scaling = self.head_dim**-0.5
        bits, width = config.quantization_bit or 0, (self.heads + 2 * self.groups) * self.head_dim
        qkv_bias = config.add_qkv_bias or config.add_bias_linear
        self.query_key_value = linear(config.hidden_size, width, bits, qkv_bias)
        self.dense = linear(self.heads * self.head_dim, config.hidden_size, bits, config.add_bias_linear)

    def forward(
        self,
        hidden: torch.Tensor,
        *,
        mask: torch.Tensor | None,
        rotary: Rotary,
        cache: Cache | None,
        prefix: KeyValue | None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """[b, n, H] to [b, n, H]; adds the new keys and values to `cache`, after the prefix if there is one."""
        mixed = self.query_key_value(hidden).unflatten(-1, (-1, self.head_dim))  # [b, n, N + 2G, d]
        turned = rotate(mixed[:, :, : -self.groups], rotary)
        query = turned[:, :, : self.heads].transpose(1, 2)
        key = turned[:, :, self.heads :].transpose(1, 2)
        value = mixed[:, :, -self.groups :].transpose(1, 2)
        if prefix is not None:
            rows = key.shape[0]
            key = torch.cat((prefix[0].to(key.dtype).expand(rows, -1, -1, -1), key), dim=2)
            value = torch.cat((prefix[1].to(value.dtype).expand(rows, -1, -1, -1), value), dim=2)
        if cache is not None:
            key, value = cache.update(key, value, self.layer_idx)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        output, _ = attend(
            self,
            query,
            key,
            value,
            mask,
            scaling=self.scaling,
            dropout=self.config.attention_dropout if self.training else 0.0,
            **kwargs,
        )
        attended: torch.Tensor = self.dense(output.flatten(2))
        return attended


class MLP(nn.Module):
    """SwiGLU: the first half of the inner layer gates the second."""

    def __init__(self, config: ChatGLM2Config) -> None:
        super().__init__()
        bits, inner = config.quantization_bit or 0, config.ffn_hidden_size
        self.dense_h_to_4h = linear(config.hidden_size, 2 * inner, bits, config.add_bias_linear)
        self.dense_4h_to_h = linear(inner, config.hidden_size, bits, config.add_bias_linear)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """[b, n, H] to [b, n, H]."""
        gate, up = self.dense_h_to_4h(hidden).chunk(2, dim=-1)
        output: torch.Tensor = self.dense_4h_to_h(functional.silu(gate) * up)
        return output


class Layer(GradientCheckpointingLayer):
    """h + attention(norm(h)), then h + MLP(norm(h))."""

    def __init__(self, config: ChatGLM2Config, layer_idx: int) -> None:
        super().__init__()
        self.dropout = config.hidden_dropout
        self.input_layernorm = RMSNorm(config.hidden_size, config.layernorm_epsilon)
        self.self_attention = SelfAttention(config, layer_idx)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.layernorm_epsilon)
        self.mlp = MLP(config)

    def forward(self, hidden: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """[b, n, H] to [b, n, H]; `kwargs` are those of :class:`SelfAttention`."""
        hidden = hidden + self._dropped(self.self_attention(self.input_layernorm(hidden), **kwargs))
        return hidden + self._dropped(self.mlp(self.post_attention_layernorm(hidden)))

    def _dropped(self, hidden: torch.Tensor) -> torch.Tensor:
        return functional.dropout(hidden, self.dropout, self.training) if self.training else hidden
