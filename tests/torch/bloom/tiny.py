"""Random BLOOMs: transformers' own and ours, with the same weights."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BloomConfig
from transformers.models.bloom import modeling_bloom

from app.families.bloom import BloomForCausalLM

VOCABULARY = 120


def original(n_heads: int = 4, *, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """transformers' BLOOM, lively: its logits are far apart and no bias is zero."""
    torch.manual_seed(n_heads)
    settings = {"hidden_size": 16 * n_heads, "n_layer": 3, "n_head": n_heads, "vocab_size": VOCABULARY}
    model = modeling_bloom.BloomForCausalLM(BloomConfig(**(settings | {"pad_token_id": 3} | changes)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.to(dtype).eval().requires_grad_(False)


def ours(n_heads: int = 4, *, dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """Our BLOOM with the same weights."""
    its = original(n_heads, **changes)
    model = BloomForCausalLM(its.config)
    model.load_state_dict(its.state_dict())
    return model.to(dtype).eval().requires_grad_(False)


def ids(n_tokens: int, n_rows: int = 1, seed: int = 0) -> torch.Tensor:
    """Random tokens [rows, n] that are no special ones."""
    return torch.randint(4, VOCABULARY, (n_rows, n_tokens), generator=torch.Generator().manual_seed(seed))
