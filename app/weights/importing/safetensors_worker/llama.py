"""Converts Meta's LLaMA shards to Hugging Face's tensors.

Each shard holds a slice of every layer, from model-parallel training: some rows of wq, wk, wv, w1, w3 and output, some
columns of wo and w2, some columns of the embedding (LLaMA 3: some rows); norms are the same in every shard.

Rotary embeddings rotate pairs of dimensions. Meta's pairs are adjacent: rows (0, 1), (2, 3) … of a head; Hugging Face's
code pairs row i with row i + d/2. So the rows of wq and wk are permuted, head by head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from app.weights.importing.safetensors_worker.rows import Refused, Rows, joined, reordered

_BY_ROWS, _BY_COLUMNS, _SAME = 0, 1, None

# Meta's name in a layer → Hugging Face's, and the axis it is split along.
_LAYER: Mapping[str, tuple[str, int | None]] = {
    "attention.wq": ("self_attn.q_proj", _BY_ROWS),
    "attention.wk": ("self_attn.k_proj", _BY_ROWS),
    "attention.wv": ("self_attn.v_proj", _BY_ROWS),
    "attention.wo": ("self_attn.o_proj", _BY_COLUMNS),
    "feed_forward.w1": ("mlp.gate_proj", _BY_ROWS),
    "feed_forward.w2": ("mlp.down_proj", _BY_COLUMNS),
    "feed_forward.w3": ("mlp.up_proj", _BY_ROWS),
    "attention_norm": ("input_layernorm", _SAME),
    "ffn_norm": ("post_attention_layernorm", _SAME),
}


@dataclass(frozen=True, slots=True)
class Params:
    """The dimensions in ``params.json``."""

    width: int
    layers: int
    heads: int
    kv_heads: int


def from_shards(shards: Sequence[Mapping[str, Rows]], params: Params) -> dict[str, Rows]:
    """All tensors, in the model's order. Raises :class:`Refused` for invalid or incomplete shards."""
    whole = {"model.embed_tokens.weight": _embedding(shards, params)}
    ffn = 0
    for i in range(params.layers):
        for old, (new, axis) in _LAYER.items():
            rows = _whole(shards, f"layers.{i}.{old}.weight", axis)
            ffn = ffn or (rows.shape[0] if old == "feed_forward.w1" else 0)
            _check(f"layers.{i}.{old}.weight", rows, _shape(old, params, ffn), len(shards))
            if old in ("attention.wq", "attention.wk"):
                rows = reordered(rows, _halves(rows.shape[0], params.width // params.heads))
            whole[f"model.layers.{i}.{new}.weight"] = rows
    whole["model.norm.weight"] = _whole(shards, "norm.weight", _SAME)
    _check("norm.weight", whole["model.norm.weight"], (params.width,), len(shards))
    whole["lm_head.weight"] = _whole(shards, "output.weight", _BY_ROWS)
    _check("output.weight", whole["lm_head.weight"], whole["model.embed_tokens.weight"].shape, len(shards))
    _refuse_more(shards, params)
    return whole


def _shape(kind: str, params: Params, ffn: int) -> tuple[int, ...]:
    width, head = params.width, params.width // params.heads
    if kind.endswith("norm"):
        return (width,)
    if kind in ("attention.wk", "attention.wv"):
        return params.kv_heads * head, width
    if kind == "feed_forward.w2":
        return width, ffn
    return (ffn if kind.startswith("feed_forward") else width), width


def _halves(rows: int, head: int) -> torch.Tensor:
    """The permutation from Meta's rows to Hugging Face's: the even rows of each head, then the odd ones."""
    return torch.arange(rows).view(-1, head // 2, 2).transpose(1, 2).reshape(-1)


def _embedding(shards: Sequence[Mapping[str, Rows]], params: Params) -> Rows:
    name = "tok_embeddings.weight"
    first = _of(shards[0], name)
    axis = _BY_ROWS if len(first.shape) == 2 and first.shape[1] == params.width else _BY_COLUMNS
    rows = _whole(shards, name, axis)
    _check(name, rows, (rows.shape[0], params.width), len(shards))
    return rows


def _whole(shards: Sequence[Mapping[str, Rows]], name: str, axis: int | None) -> Rows:
    parts = [_of(shard, name) for shard in shards]
    if any((part.shape, part.dtype) != (parts[0].shape, parts[0].dtype) for part in parts):
        raise Refused(f"and its neighbours hold {name} in different shapes: they don't belong together")
    if axis is None:
        return parts[0]
    if len(parts[0].shape) != 2:
        raise Refused(f"holds {name}, which should be a matrix, in the shape {parts[0].shape}")
    return joined(parts, axis)


def _of(shard: Mapping[str, Rows], name: str) -> Rows:
    if name not in shard:
        raise Refused(f"lacks {name}: it is not a LLaMA of this params.json. Download both again")
    return shard[name]


def _check(name: str, rows: Rows, wanted: tuple[int, ...], shards: int) -> None:
    if rows.shape != wanted:
        raise Refused(
            f"and its neighbours ({shards} in all) hold {name} in the shape {rows.shape}; params.json asks for "
            f"{wanted}. Are all consolidated files there? Download what is missing"
        )


def _refuse_more(shards: Sequence[Mapping[str, Rows]], params: Params) -> None:
    """Raise :class:`Refused` for unused tensors, except rotary frequencies, which are derived."""
    used = {f"layers.{i}.{old}.weight" for i in range(params.layers) for old in _LAYER}
    used |= {"tok_embeddings.weight", "norm.weight", "output.weight", "rope.freqs"}
    more = sorted(set().union(*shards) - used)
    if more:
        raise Refused(f"holds {more[0][:80]}, which no LLaMA of this params.json has")
