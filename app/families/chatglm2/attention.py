"""Rotary positions, attention masks and eager attention of ChatGLM2."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

Rotary = tuple[torch.Tensor, torch.Tensor]

_BASE = 10_000.0


def rotary_table(position_ids: torch.Tensor, head_size: int, dtype: torch.dtype) -> Rotary:
    """Cosines and signed sines for :func:`rotate`, each [b, n, 1, d], from positions [b, n].

    Pair i = (2i, 2i + 1) of the first half of a head is rotated by position · 10000^(-2i / (d/2)); the second half is
    not rotated, which is an angle of zero.
    """
    half = head_size // 2
    exponents = torch.arange(0, half, 2, device=position_ids.device, dtype=torch.float32) / half
    angles = position_ids[..., None].to(torch.float32) * _BASE**-exponents  # [b, n, d/4]
    angles = functional.pad(angles, (0, half - angles.shape[-1]))  # [b, n, d/2], one for each pair
    cos, sin = angles.cos(), angles.sin()
    signed = torch.stack((-sin, sin), dim=-1).flatten(-2)
    return cos.repeat_interleave(2, dim=-1).to(dtype).unsqueeze(2), signed.to(dtype).unsqueeze(2)


def rotate(heads: torch.Tensor, rotary: Rotary) -> torch.Tensor:
    """Apply rotary embeddings to [b, n, heads, d]: x·cos + (x with each pair swapped)·(-sin, sin).

    Rotating whole heads, half of them by zero, avoids splitting and joining them. (`addcmul` would save a pass, and
    takes four times as long in bfloat16.)
    """
    cos, sin = rotary
    swapped = heads.reshape(*heads.shape[:-1], -1, 2).flip(-1).flatten(-2)
    return heads * cos + swapped * sin


def positions_of(hidden: torch.Tensor, attention_mask: torch.Tensor | None, past: int) -> torch.Tensor:
    """Positions [b, n] of the new tokens `hidden` [b, n, H], the first real token of each row being 0."""
    new = hidden.shape[1]
    if attention_mask is not None and attention_mask.dim() == 2:
        return (attention_mask.long().cumsum(-1) - 1).clamp_(min=0)[:, -new:]
    return torch.arange(past, past + new, device=hidden.device).unsqueeze(0)


def causal_mask(
    hidden: torch.Tensor, attention_mask: torch.Tensor | None, past: int, prefix_length: int
) -> torch.Tensor | None:
    """The attention mask of new tokens `hidden` [b, n, H]: bool [b or 1, 1, n, kv], or ``None`` for plain causal.

    A mask of four dimensions is the caller's own. One of two hides padding; it does not count the prefix, which every
    token sees. A row of padding that would see nothing sees everything, or its softmax would have nothing to divide.
    """
    if attention_mask is not None and attention_mask.dim() == 4:
        return attention_mask
    new, device = hidden.shape[1], hidden.device
    padding = None
    if attention_mask is not None and not bool(attention_mask.all()):
        padding = functional.pad(attention_mask.to(device, torch.bool), (prefix_length, 0), value=True)
    if padding is None and (new == 1 or past == 0):
        return None
    mask = torch.ones(new, past + new, dtype=torch.bool, device=device).tril_(past)
    if padding is None:
        return mask[None, None]
    mask = mask & padding[:, None, None, :]
    return mask | ~mask.any(dim=-1, keepdim=True)


def eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Explicit attention: output [b, n, N, d] and weights [b, N, n, kv].

    `query` is [b, N, n, d], `key` and `value` [b, G, kv, d]; the mask is bool (True = visible) or is added.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    scores = query @ key.transpose(2, 3) * scaling
    new, kv = scores.shape[-2:]
    if attention_mask is None and new > 1:
        attention_mask = torch.ones(new, kv, dtype=torch.bool, device=query.device).tril_(kv - new)
    if attention_mask is not None:
        hides = attention_mask.dtype == torch.bool
        scores = scores.masked_fill(~attention_mask, float("-inf")) if hides else scores + attention_mask
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    weights = functional.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2), weights
