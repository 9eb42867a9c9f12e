"""Applies delta weights: base + delta in float32, some rows at a time.

A token added in training ([PAD], the 32,001st) has a row in the delta but none in the base. There the delta is relative
to the average of the base's rows (Alpaca) or to zero (Vicuna, v0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from app.weights.importing.safetensors_worker.rows import Refused, Rows

_DERIVED = ".rotary_emb.inv_freq"  # only in older files; derived from the configuration
_GROWING = ("model.embed_tokens.weight", "lm_head.weight")
_MAX_NEW_ROWS = 64


@dataclass(slots=True)
class Total:
    """The sum of all values of the result, to compare with the published sum of some models."""

    value: float = 0.0
    seen: set[tuple[str, int]] = field(default_factory=set)

    def add(self, name: str, begin: int, rows: Tensor) -> None:
        """Add rows, each only once even if computed again. Raises :class:`Refused` for NaN or infinity."""
        if (name, begin) in self.seen:
            return
        self.seen.add((name, begin))
        found = float(rows.sum(dtype=torch.float64))
        if found != found or abs(found) == float("inf"):
            raise Refused(f"does not match its base: {name} would not be finite. Is it the right base?")
        self.value += found


def recovered(base: Mapping[str, Rows], deltas: Mapping[str, Rows], fill: str, total: Total) -> dict[str, Rows]:
    """The tensors of the model. Raises :class:`Refused` for mismatched shapes, before anything is computed."""
    left = {name: rows for name, rows in base.items() if not name.endswith(_DERIVED)}
    found: dict[str, Rows] = {}
    for name, delta in deltas.items():
        if name.endswith(_DERIVED):
            continue
        if name not in left:
            raise Refused(f"changes {name[:80]}, which its base lacks. Give the base that it was made for")
        found[name] = _sum(name, _grown(name, left.pop(name), delta, fill), delta, total)
    if left:
        raise Refused(f"lacks {min(left)[:80]}, which its base has. Give the base that it was made for")
    return found


def _sum(name: str, base: Rows, delta: Rows, total: Total) -> Rows:
    dtype = torch.float16 if base.dtype == torch.float32 else base.dtype
    if not base.dtype.is_floating_point or not delta.dtype.is_floating_point:
        raise Refused(
            f"or its base holds {name[:80]} as whole numbers: quantized models can't be combined with delta weights"
        )

    def read(begin: int, end: int) -> Tensor:
        result = base.read(begin, end).float() + delta.read(begin, end).float()
        total.add(name, begin, result)
        return result.to(dtype)

    return Rows(base.shape, dtype, read)


def _grown(name: str, base: Rows, delta: Rows, fill: str) -> Rows:
    """The base extended to the shape of the delta."""
    if base.shape == delta.shape:
        return base
    rows = base.shape[0] if base.shape else 0
    more = delta.shape[0] - rows if delta.shape else 0
    if name not in _GROWING or base.shape[1:] != delta.shape[1:] or not 0 < more <= _MAX_NEW_ROWS:
        raise Refused(
            f"holds {name[:80]} in the shape {delta.shape}, and its base in {base.shape}. Give the base that it was "
            "made for"
        )
    new = _average(base) if fill == "mean" else torch.zeros(base.shape[1])

    def read(begin: int, end: int) -> Tensor:
        old = base.read(min(begin, rows), min(end, rows))
        added = max(0, end - max(begin, rows))
        return torch.cat([old.float(), new.expand(added, -1)]) if added else old

    return Rows(delta.shape, base.dtype, read)


def _average(rows: Rows) -> Tensor:
    """The mean of all rows, in float32."""
    total = torch.zeros(rows.shape[1], dtype=torch.float64)
    for piece in rows.pieces():
        total += piece.sum(dim=0, dtype=torch.float64)
    return (total / rows.shape[0]).float()
