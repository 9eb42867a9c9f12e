"""Runs a loaded model on slots: prefill of one prompt in bounded steps, and a decode step for many slots at once.

Plain causal models take ``position_ids``, and their prompts are prefilled in chunks. A model with another attention
pattern defines methods of its own (ChatGLM's ``prompt_positions``, ``prompt_mask``, ``next_positions``,
``prefill_layers``): its prompt is prefilled whole, layer by layer, and its KV cache is never reused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from app.engine.torch.slots import DecodePass, PrefillPass, SlotCache

if TYPE_CHECKING:
    from app.engine.torch.loading import Loaded

# A prefill in bounded steps: yields the number of tokens prefilled by each, returns the last token's logits [1, V].
Prefill = Generator[int, None, Tensor]


class SlotModel:
    """One model and the KV cache of its slots. Not thread-safe."""

    def __init__(self, loaded: Loaded, n_slots: int, context_tokens: int) -> None:
        """Raises :class:`ValueError` for an architecture whose attention is not transformers'."""
        self._model = loaded.model
        self._device = loaded.device
        self._adapters = loaded.adapters
        prefixes = [loaded.adapters.prefix(name) for name in (None, *loaded.adapters.names)]
        self._prefix_tokens = max(len(p[0][0][0]) if p else 0 for p in prefixes)
        self.cache = SlotCache(n_slots, context_tokens + self._prefix_tokens, loaded.dtype, loaded.device)
        self.cache.attach(self._model)
        self.reuses_prompts = not hasattr(self._model, "prompt_mask")
        accepted = inspect.signature(self._model.forward).parameters
        self._cache_argument = "cache" if "cache" in accepted else "past_key_values"  # renamed in transformers 5.2x
        self._positions_argument = getattr(self._model, "positions_argument", None)

    def positions(self, ids: Sequence[int]) -> Tensor | None:
        """The positions of a whole prompt's tokens, [k, n]; ``None`` where they simply count from 0."""
        if self._positions_argument is None:
            return None
        return self._model.prompt_positions(torch.tensor(ids, device=self._device))

    def next_positions(self, positions: Tensor | None) -> Tensor | None:
        """The position of the token after those at `positions`."""
        return None if positions is None else self._model.next_positions(positions)

    def begin(self, slot: int, adapter: str | None) -> int:
        """Write the P-tuning prefix of `adapter`, if it has one, into `slot`; returns its length in keys."""
        prefix = self._adapters.prefix(adapter)
        if prefix is None:
            return 0
        self.cache.put_prefix(slot, prefix)
        return int(prefix[0][0].shape[1])

    def prefill(
        self,
        slot: int,
        ids: Sequence[int],
        *,
        cached: int,
        prefix: int,
        positions: Tensor | None,
        adapter: str | None,
        chunk: Callable[[], int],
        is_abandoned: Callable[[], bool] = lambda: False,
    ) -> Prefill:
        """Prefill `slot` with the prompt `ids`; it holds `prefix` keys and the first `cached` tokens already.

        `chunk` returns the size of the next chunk in tokens, for models that are prefilled in chunks. Raises
        :class:`~app.engine.torch.slots.Abandoned` at the next layer once `is_abandoned` returns true.
        """
        if not self.reuses_prompts:
            assert positions is not None
            return self._prefill_layers(slot, ids, prefix, positions, adapter, is_abandoned)
        return self._prefill_chunks(slot, ids, cached, prefix, positions, adapter, chunk, is_abandoned)

    def decode(
        self,
        slots: list[int],
        tokens: list[int],
        lengths: list[int],
        prefixes: list[int],
        positions: Sequence[Tensor | None],
        adapter: str | None,
    ) -> Tensor:
        """One decode step: logits [b, V] after one more token in each of `slots` (ascending) of `lengths` tokens."""
        self._adapters.activate(adapter)
        keys = [length + prefix for length, prefix in zip(lengths, prefixes, strict=True)]
        ids = torch.tensor(tokens, device=self._device)[:, None]
        if self._positions_argument is None:
            places = torch.tensor(lengths, device=self._device)[:, None]
        else:
            places = torch.stack([place for place in positions if place is not None])
        with self.cache.during(DecodePass(slots, keys, self._device)):
            return self._forward(ids, places)

    def _prefill_chunks(
        self,
        slot: int,
        ids: Sequence[int],
        cached: int,
        prefix: int,
        positions: Tensor | None,
        adapter: str | None,
        chunk: Callable[[], int],
        is_abandoned: Callable[[], bool],
    ) -> Prefill:
        done = cached
        while True:
            chunk_ids = ids[done : done + chunk()]
            self._adapters.activate(adapter)
            inputs = torch.tensor([chunk_ids], device=self._device)
            end = done + len(chunk_ids)
            if positions is None:
                places = torch.arange(done, end, device=self._device)[None]
            else:
                places = positions[None, :, done:end]
            with self.cache.during(PrefillPass(slot, prefix + done, len(chunk_ids), is_abandoned)):
                logits = self._forward(inputs, places)
            done = end
            if done == len(ids):
                return logits
            yield len(chunk_ids)

    def _prefill_layers(
        self,
        slot: int,
        ids: Sequence[int],
        prefix: int,
        positions: Tensor,
        adapter: str | None,
        is_abandoned: Callable[[], bool],
    ) -> Prefill:
        inputs = torch.tensor(ids, device=self._device)
        mask = functional.pad(self._model.prompt_mask(inputs), (prefix, 0), value=True)[None, None]
        forward = PrefillPass(slot, prefix, len(ids), is_abandoned)
        layers = self._model.prefill_layers(
            inputs[None], positions[None], attention_mask=mask, past_key_values=self.cache
        )
        while True:
            self._adapters.activate(adapter)
            with self.cache.during(forward):
                try:
                    next(layers)
                except StopIteration as done:
                    return done.value
            yield 0

    def _forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        """The last token's logits of each row: [b, V]."""
        name = self._positions_argument or "position_ids"
        arguments = {name: positions, self._cache_argument: self.cache}
        logits: Tensor = self._model(input_ids=ids, use_cache=True, logits_to_keep=1, **arguments).logits
        return logits[:, -1]
