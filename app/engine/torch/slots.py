"""Keys and values of many sequences, each in a slot of its own, and the attention that reads them.

A transformers ``Cache`` pads all sequences to the longest and copies itself whenever one comes or goes. Here a
layer's keys are one tensor [slots, kv_heads, capacity, d], allocated once (the system commits its pages as they are
used), and each forward pass says by a :class:`Pass` which slots it writes and sees. The model knows none of that: it
calls ``update`` and then the attention function that :meth:`SlotCache.attach` has put in.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, Cache

Prefix = list[tuple[Tensor, Tensor]]  # per layer: keys and values, each [kv_heads, P, d]

# What the calls for one sequence cost more than their arithmetic, in elements of keys (measured: 40 µs).
_CALL_COST = 1 << 17
# A product copies the keys that it reads, since they are not contiguous. A copy of a few MB is memory used again and in
# the cache; for a large one the system hands out new pages each time, and that is most of the work (8 sequences of
# 512 tokens, 32 heads of 128, one core: 43 ms together, 10 ms apart). In elements:
_MOST_TOGETHER = 1 << 21


class Pass(Protocol):
    """One forward pass: where its keys go, and what its queries see."""

    @property
    def length(self) -> int:
        """Keys that the first row has already."""

    def write(self, store: Tensor, new: Tensor) -> None:
        """Put `new` [b, kv_heads, n, d] into `store` [slots, kv_heads, capacity, d]."""

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float, window: int | None
    ) -> Tensor:
        """Attention of `query` [b, heads, n, d] over the stores: [b, n, heads, d]."""


class ReadingPass:
    """A piece of one sequence: `n` tokens after the `start` that its slot holds."""

    def __init__(self, slot: int, start: int, n: int) -> None:
        self.length = start
        self._slot = slot
        self._n = n
        self._masks: dict[int | None, Tensor] = {}

    def write(self, store: Tensor, new: Tensor) -> None:
        """See :class:`Pass`."""
        store[self._slot, :, self.length : self.length + self._n] = new[0]

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float, window: int | None
    ) -> Tensor:
        """See :class:`Pass`; without a `mask` each token sees those before it, and all of what was there."""
        end = self.length + self._n
        keys, values = (store[self._slot, :, :end].unsqueeze(0) for store in (keys, values))
        plain = self.length == 0 and (window is None or end <= window)
        if mask is None and not plain:
            mask = self._causal(query, window)
        out = functional.scaled_dot_product_attention(
            query,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None and self._n > 1,
            scale=scale,
            enable_gqa=query.shape[1] != keys.shape[1],
        )
        return out.transpose(1, 2)

    def _causal(self, query: Tensor, window: int | None) -> Tensor:
        """Which keys each query sees, [n, start + n]; the same for all layers."""
        if window not in self._masks:
            ones = torch.ones(self._n, self.length + self._n, dtype=torch.bool, device=query.device)
            visible = ones.tril(self.length)
            self._masks[window] = visible if window is None else visible.triu(self.length - window + 1)
        return self._masks[window]


class DecodingPass:
    """One new token for each of several sequences; `slots` ascend, `lengths` count the keys that they hold."""

    def __init__(self, slots: list[int], lengths: list[int], device: torch.device) -> None:
        self.length = lengths[0]
        self._slots = slots
        self._lengths = lengths  # the new key's place
        self._device = device
        self._span = slice(slots[0], slots[-1] + 1)
        self._rows: Tensor | None = None  # of the slots, within the span; None: the span has no others
        if len(slots) != slots[-1] - slots[0] + 1:
            self._rows = torch.tensor([slot - slots[0] for slot in slots], device=device)
        self._places: dict[tuple[int, int], Tensor] = {}
        self._masks: dict[int | None, Tensor] = {}

    def write(self, store: Tensor, new: Tensor) -> None:
        """See :class:`Pass`."""
        _, kv_heads, capacity, d = store.shape
        places = self._places.get((kv_heads, capacity))
        if places is None:
            heads = torch.arange(kv_heads)
            first = torch.tensor(self._slots)[:, None] * kv_heads
            places = ((first + heads) * capacity + torch.tensor(self._lengths)[:, None]).reshape(-1).to(self._device)
            self._places[kv_heads, capacity] = places
        store.view(-1, d).index_copy_(0, places, new.reshape(-1, d).to(store.dtype))

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float, window: int | None
    ) -> Tensor:
        """See :class:`Pass`; each token sees all that its slot holds.

        Products of matrices and not torch's own attention: with one query in bfloat16 that is 3 to 7 times slower
        on a CPU (measured: 8 sequences of 256 tokens, 32 heads of 128, one core: 5.7 ms against 14.9).
        """
        b, heads, _, d = query.shape
        kv_heads = keys.shape[1]
        grouped = (query * scale).reshape(b, kv_heads, heads // kv_heads, d)
        longest = max(self._lengths) + 1
        together = (self._span.stop - self._span.start) * longest
        apart = sum(self._lengths) + b + b * _CALL_COST // (kv_heads * d)
        if together <= apart and together * kv_heads * d <= _MOST_TOGETHER:
            out = self._together(grouped, keys[self._span, :, :longest], values[self._span, :, :longest], window)
        else:
            out = self._apart(grouped, keys, values, window)
        return out.reshape(b, 1, heads, values.shape[-1])

    def _together(self, query: Tensor, keys: Tensor, values: Tensor, window: int | None) -> Tensor:
        """All slots of the span at once, idle ones between them too."""
        if self._rows is not None:
            query = query.new_zeros(len(keys), *query.shape[1:]).index_copy_(0, self._rows, query)
        out = _weighed(query, keys, values, self._hidden(len(keys), keys.shape[2], window))
        return out if self._rows is None else out.index_select(0, self._rows)

    def _apart(self, query: Tensor, keys: Tensor, values: Tensor, window: int | None) -> Tensor:
        """One after the other, each over its own length, and of a long one some heads at a time."""
        out = []
        for row, (slot, length) in enumerate(zip(self._slots, self._lengths, strict=True)):
            seen = slice(max(0, length + 1 - window) if window else 0, length + 1)
            step = max(1, _MOST_TOGETHER // ((length + 1) * keys.shape[3]))
            parts = []
            for first in range(0, keys.shape[1], step):
                heads = slice(first, first + step)
                part = (slice(slot, slot + 1), heads, seen)
                parts.append(_weighed(query[row : row + 1, heads], keys[part], values[part]))
            out.append(torch.cat(parts, dim=1))
        return torch.cat(out)

    def _hidden(self, n_slots: int, longest: int, window: int | None) -> Tensor:
        """0 where a key is visible, else -inf: [slots of the span, 1, 1, longest]; the same for all layers."""
        if window not in self._masks:
            ends = torch.full((n_slots, 1), longest)  # an idle slot sees everything: of nothing, softmax makes NaN
            rows = [slot - self._span.start for slot in self._slots]
            ends[rows, 0] = torch.tensor(self._lengths) + 1
            place = torch.arange(longest)
            hidden = place >= ends
            if window:
                hidden |= place < ends - window
            mask = torch.zeros(n_slots, longest).masked_fill_(hidden, -math.inf)
            self._masks[window] = mask[:, None, None].to(self._device)
        return self._masks[window]


def _weighed(query: Tensor, keys: Tensor, values: Tensor, hidden: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ) v of `query` [b, kv_heads, group, d], scaled, over [b, kv_heads, n, d]: as `query`."""
    # keys first: a matrix times a few columns is several times faster here than a few rows times a matrix
    scores = (keys @ query.transpose(-1, -2)).transpose(-1, -2)
    scores = scores.to(torch.float32, memory_format=torch.contiguous_format)
    if hidden is not None:
        scores = scores + hidden
    return scores.softmax(-1).to(values.dtype) @ values


class SlotCache(Cache):
    """The slots of one model. One thread uses it."""

    def __init__(self, n_slots: int, capacity: int, dtype: torch.dtype, device: torch.device) -> None:
        """`capacity` counts a slot's keys: a prefix's and the context's."""
        super().__init__(layers=[])
        self.n_slots = n_slots
        self.capacity = capacity
        self._dtype = dtype
        self._device = device
        self._stores: dict[int, tuple[Tensor, Tensor]] = {}  # by layer: keys and values
        self._pass: Pass | None = None

    def attach(self, model: Any) -> None:
        """Let `model` attend through this cache. Raises :class:`ValueError` for an architecture that cannot."""
        name = f"parley_slots_{id(self)}"
        AttentionInterface.register(name, self._attend)
        model.set_attn_implementation(name)
        if model.config._attn_implementation != name:
            raise ValueError(
                f"The architecture {type(model).__name__} has its own attention code, which this engine "
                "cannot batch. Use a GGUF file of this model instead."
            )

    @contextmanager
    def during(self, forward: Pass) -> Iterator[None]:
        """What the model computes within is this pass."""
        self._pass = forward
        try:
            yield
        finally:
            self._pass = None

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Keep this pass's keys and values [b, kv_heads, n, d]; returns the layer's whole stores for the attention."""
        keys, values = self._layer(layer_idx, key_states, value_states)
        current = self._current()
        current.write(keys, key_states)
        current.write(values, value_states)
        return keys, values

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Keys that the first sequence of this pass has already."""
        return self._current().length

    def put_prefix(self, slot: int, prefix: Prefix) -> None:
        """Begin `slot` with the keys and values of `prefix`."""
        for layer, (prefix_keys, prefix_values) in enumerate(prefix):
            keys, values = self._layer(layer, prefix_keys[None], prefix_values[None])
            n = prefix_keys.shape[1]
            keys[slot, :, :n] = prefix_keys
            values[slot, :, :n] = prefix_values

    def copy(self, source: int, target: int, n: int) -> None:
        """Give `target` the first `n` keys and values of `source`."""
        for store in self._all():
            store[target, :, :n] = store[source, :, :n]

    def clear(self, slot: int, n: int) -> None:
        """Forget the first `n` keys and values of `slot`: NaN would spoil later sequences that give it no weight."""
        for store in self._all():
            store[slot, :, :n] = 0

    def _attend(
        self,
        module: object,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        sliding_window: int | None = None,
        **extras: object,
    ) -> tuple[Tensor, None]:
        """Attention as transformers calls it; `key` and `value` are what ``update`` returned."""
        unknown = [name for name in ("softcap", "s_aux", "position_bias") if extras.get(name) is not None]
        if unknown:
            raise ValueError(f"This engine's attention does not support {unknown[0]}. Use a GGUF file of this model.")
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        out = self._current().attend(query, key, value, attention_mask, scale, sliding_window)
        return out.contiguous(), None

    def _current(self) -> Pass:
        if self._pass is None:
            raise RuntimeError("the cache was used outside a pass")
        return self._pass

    def _layer(self, layer_idx: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's stores, made when the first [b, kv_heads, n, d] come."""
        if layer_idx not in self._stores:
            self._stores[layer_idx] = (self._allocate(keys), self._allocate(values))
        return self._stores[layer_idx]

    def _all(self) -> list[Tensor]:
        return [store for pair in self._stores.values() for store in pair]

    def _allocate(self, states: Tensor) -> Tensor:
        """Zeros, not what happened to be in memory: idle slots are computed with, and NaN times 0 is NaN."""
        shape = (self.n_slots, states.shape[1], self.capacity, states.shape[3])
        if self._device.type != "cpu":
            return torch.zeros(shape, dtype=self._dtype, device=self._device)
        # Zero pages that the system commits one by one as they are written; torch.zeros would write them all now.
        memory = mmap.mmap(-1, math.prod(shape) * self._dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return torch.frombuffer(memory, dtype=self._dtype).view(shape)
