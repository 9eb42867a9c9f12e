"""A KV cache with one slot for each sequence, and the attention over it.

A transformers ``Cache`` pads all sequences to the longest and is copied whenever one joins or leaves. Here a layer's
keys are one tensor [slots, kv_heads, capacity, d], allocated once (the system commits its pages as they are used), and
each forward pass has a :class:`Pass` that determines which slots are written and read. The model is unaware of this:
it calls ``update`` and then the attention function that :meth:`SlotCache.attach` installed.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, Cache

Prefix = list[tuple[Tensor, Tensor]]  # per layer: keys and values, each [kv_heads, P, d]

# The overhead of attention calls for one sequence, expressed in elements of keys (measured: 40 µs).
_CALL_COST = 1 << 17
# A matrix product copies the keys it reads, since they are not contiguous. A copy of a few MB reuses memory that is in
# the CPU cache; for a large one the system maps new pages each time, which takes most of the time (8 sequences of
# 512 tokens, 32 heads of 128, one core: 43 ms batched, 10 ms one by one). The limit, in elements:
_MAX_BATCHED = 1 << 21


class Pass(Protocol):
    """One forward pass: where its keys and values are written, and which keys its queries attend to."""

    @property
    def length(self) -> int:
        """The number of cached keys of the first row."""

    def write(self, store: Tensor, new: Tensor) -> None:
        """Write `new` [b, kv_heads, n, d] into `store` [slots, kv_heads, capacity, d]."""

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float, window: int | None
    ) -> Tensor:
        """Attention of `query` [b, heads, n, d] over the stores: [b, n, heads, d]."""


class Abandoned(Exception):
    """Nobody waits for this forward pass any more."""


class PrefillPass:
    """Prefill of `n` tokens of one sequence, after the `start` keys that its slot holds.

    Each layer asks `is_abandoned` and raises :class:`Abandoned`: a chunk takes a large model seconds on a CPU.
    """

    def __init__(self, slot: int, start: int, n: int, is_abandoned: Callable[[], bool] = lambda: False) -> None:
        self.length = start
        self._is_abandoned = is_abandoned
        self._slot = slot
        self._n = n
        self._masks: dict[int | None, Tensor] = {}

    def write(self, store: Tensor, new: Tensor) -> None:
        """See :class:`Pass`."""
        if self._is_abandoned():
            raise Abandoned
        store[self._slot, :, self.length : self.length + self._n] = new[0]

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float, window: int | None
    ) -> Tensor:
        """See :class:`Pass`; without a `mask`, attention is causal: to earlier tokens and to all cached keys."""
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
        """The causal mask, bool [n, start + n], True where a query attends to a key; shared by all layers."""
        if window not in self._masks:
            ones = torch.ones(self._n, self.length + self._n, dtype=torch.bool, device=query.device)
            visible = ones.tril(self.length)
            self._masks[window] = visible if window is None else visible.triu(self.length - window + 1)
        return self._masks[window]


class DecodePass:
    """A decode step of several sequences, one token each; `slots` ascend, `lengths` count their cached keys."""

    def __init__(self, slots: list[int], lengths: list[int], device: torch.device) -> None:
        self.length = lengths[0]
        self._slots = slots
        self._lengths = lengths  # also the index of the new key
        self._device = device
        self._span = slice(slots[0], slots[-1] + 1)
        self._rows: Tensor | None = None  # of the slots within the span; None where the span has no other slots
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
        """See :class:`Pass`; each token attends to all keys of its slot.

        Uses matrix products instead of torch's own attention, which is 3 to 7 times slower on a CPU with one query in
        bfloat16 (measured: 8 sequences of 256 tokens, 32 heads of 128, one core: 14.9 ms against 5.7).
        """
        b, heads, _, d = query.shape
        kv_heads = keys.shape[1]
        grouped = (query * scale).reshape(b, kv_heads, heads // kv_heads, d)
        longest = max(self._lengths) + 1
        batched = (self._span.stop - self._span.start) * longest
        one_by_one = sum(self._lengths) + b + b * _CALL_COST // (kv_heads * d)
        if batched <= one_by_one and batched * kv_heads * d <= _MAX_BATCHED:
            out = self._attend_batched(grouped, keys[self._span, :, :longest], values[self._span, :, :longest], window)
        else:
            out = self._attend_each(grouped, keys, values, window)
        return out.reshape(b, 1, heads, values.shape[-1])

    def _attend_batched(self, query: Tensor, keys: Tensor, values: Tensor, window: int | None) -> Tensor:
        """Attention of all slots of the span at once, including idle ones between them."""
        if self._rows is not None:
            query = query.new_zeros(len(keys), *query.shape[1:]).index_copy_(0, self._rows, query)
        out = _attention(query, keys, values, self._mask(len(keys), keys.shape[2], window))
        return out if self._rows is None else out.index_select(0, self._rows)

    def _attend_each(self, query: Tensor, keys: Tensor, values: Tensor, window: int | None) -> Tensor:
        """Attention of one slot after the other, each over its own length; a long one some heads at a time."""
        out = []
        for row, (slot, length) in enumerate(zip(self._slots, self._lengths, strict=True)):
            seen = slice(max(0, length + 1 - window) if window else 0, length + 1)
            step = max(1, _MAX_BATCHED // ((length + 1) * keys.shape[3]))
            parts = []
            for first in range(0, keys.shape[1], step):
                heads = slice(first, first + step)
                part = (slice(slot, slot + 1), heads, seen)
                parts.append(_attention(query[row : row + 1, heads], keys[part], values[part]))
            out.append(torch.cat(parts, dim=1))
        return torch.cat(out)

    def _mask(self, n_slots: int, longest: int, window: int | None) -> Tensor:
        """The additive mask [slots of the span, 1, 1, longest], 0 or -inf; shared by all layers."""
        if window not in self._masks:
            ends = torch.full((n_slots, 1), longest)  # idle slots attend to everything: a row of only -inf gives NaN
            rows = [slot - self._span.start for slot in self._slots]
            ends[rows, 0] = torch.tensor(self._lengths) + 1
            place = torch.arange(longest)
            hidden = place >= ends
            if window:
                hidden |= place < ends - window
            mask = torch.zeros(n_slots, longest).masked_fill_(hidden, -math.inf)
            self._masks[window] = mask[:, None, None].to(self._device)
        return self._masks[window]


def _attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ) v: `query` [b, kv_heads, group, d], scaled; keys, values [b, kv_heads, n, d]; shaped as `query`."""
    # keys first: matrix times few columns is several times faster on a CPU than few rows times matrix
    scores = (keys @ query.transpose(-1, -2)).transpose(-1, -2)
    scores = scores.to(torch.float32, memory_format=torch.contiguous_format)
    if mask is not None:
        scores = scores + mask
    return scores.softmax(-1).to(values.dtype) @ values


class SlotCache(Cache):
    """The KV cache of one model's slots. Not thread-safe."""

    def __init__(self, n_slots: int, capacity: int, dtype: torch.dtype, device: torch.device) -> None:
        """`capacity` is the number of keys of a slot: those of a prefix and of the context."""
        super().__init__(layers=[])
        self.n_slots = n_slots
        self.capacity = capacity
        self._dtype = dtype
        self._device = device
        self._stores: dict[int, tuple[Tensor, Tensor]] = {}  # by layer: keys and values
        self._pass: Pass | None = None

    def attach(self, model: Any) -> None:
        """Install this cache's attention in `model`. Raises :class:`ValueError` for an unsupported architecture."""
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
        """Use `forward` for the model calls made in this context."""
        self._pass = forward
        try:
            yield
        finally:
            self._pass = None

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        """Store new keys and values [b, kv_heads, n, d]; returns the layer's whole stores for the attention."""
        keys, values = self._layer(layer_idx, key_states, value_states)
        current = self._current()
        current.write(keys, key_states)
        current.write(values, value_states)
        return keys, values

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """The number of cached keys of this pass's first sequence."""
        return self._current().length

    def put_prefix(self, slot: int, prefix: Prefix) -> None:
        """Write the keys and values of `prefix` to the start of `slot`."""
        for layer, (prefix_keys, prefix_values) in enumerate(prefix):
            keys, values = self._layer(layer, prefix_keys[None], prefix_values[None])
            n = prefix_keys.shape[1]
            keys[slot, :, :n] = prefix_keys
            values[slot, :, :n] = prefix_values

    def copy(self, source: int, target: int, n: int) -> None:
        """Copy the first `n` keys and values of slot `source` to slot `target`."""
        for store in self._all():
            store[target, :, :n] = store[source, :, :n]

    def clear(self, slot: int, n: int) -> None:
        """Zero the first `n` keys and values of `slot`: a NaN would spread to later sequences even with weight 0."""
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
        """The attention function for transformers; `key` and `value` are the stores that ``update`` returned."""
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
        """The layer's stores, allocated on first use by the shape [b, kv_heads, n, d]."""
        if layer_idx not in self._stores:
            self._stores[layer_idx] = (self._allocate(keys), self._allocate(values))
        return self._stores[layer_idx]

    def _all(self) -> list[Tensor]:
        return [store for pair in self._stores.values() for store in pair]

    def _allocate(self, states: Tensor) -> Tensor:
        """A store of zeros; uninitialized memory could hold NaN, and idle slots take part in batched attention."""
        shape = (self.n_slots, states.shape[1], self.capacity, states.shape[3])
        if self._device.type != "cpu":
            return torch.zeros(shape, dtype=self._dtype, device=self._device)
        # An anonymous mapping is zero and committed page by page when written; torch.zeros would write all of it now.
        memory = mmap.mmap(-1, math.prod(shape) * self._dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return torch.frombuffer(memory, dtype=self._dtype).view(shape)
