"""A loaded model as the scheduler sees it: prompts into slots piece by piece, then one token for many slots at once.

Plain causal models take ``position_ids`` and read a prompt in chunks. A model that is not plainly causal says so by
methods of its own (ChatGLM's ``prompt_positions``, ``prompt_mask``, ``next_positions``, ``prefill_layers``): its
prompt is read whole, layer by layer, and never reused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from app.engine.torch.slots import DecodingPass, ReadingPass, SlotCache

if TYPE_CHECKING:
    from app.engine.torch.loading import Loaded

# Yields between two bounded pieces of work how many tokens' worth is done; returns the last token's logits [1, V].
Reading = Generator[int, None, Tensor]


class SlotModel:
    """One model and its slots. One thread uses it."""

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
        """Where the tokens of a whole prompt stand, [k, n]; ``None``: counted from 0."""
        if self._positions_argument is None:
            return None
        return self._model.prompt_positions(torch.tensor(ids, device=self._device))

    def next_positions(self, positions: Tensor | None) -> Tensor | None:
        """Of the token after those at `positions`."""
        return None if positions is None else self._model.next_positions(positions)

    def begin(self, slot: int, adapter: str | None) -> int:
        """Put what comes before every prompt of `adapter` into `slot`; how many keys that is."""
        prefix = self._adapters.prefix(adapter)
        if prefix is None:
            return 0
        self.cache.put_prefix(slot, prefix)
        return int(prefix[0][0].shape[1])

    def read(
        self,
        slot: int,
        ids: Sequence[int],
        *,
        cached: int,
        prefix: int,
        positions: Tensor | None,
        adapter: str | None,
        chunk: Callable[[], int],
    ) -> Reading:
        """Read the prompt `ids` into `slot`, which holds `prefix` keys and the first `cached` tokens already.

        `chunk` says how many tokens the next piece may have, where the model can read in chunks.
        """
        if not self.reuses_prompts:
            assert positions is not None
            return self._read_layers(slot, ids, prefix, positions, adapter)
        return self._read_chunks(slot, ids, cached, prefix, positions, adapter, chunk)

    def decode(
        self,
        slots: list[int],
        tokens: list[int],
        lengths: list[int],
        prefixes: list[int],
        positions: Sequence[Tensor | None],
        adapter: str | None,
    ) -> Tensor:
        """Logits [b, V] after one more token in each of `slots` (ascending), which hold `lengths` tokens each."""
        self._adapters.activate(adapter)
        keys = [length + prefix for length, prefix in zip(lengths, prefixes, strict=True)]
        ids = torch.tensor(tokens, device=self._device)[:, None]
        if self._positions_argument is None:
            places = torch.tensor(lengths, device=self._device)[:, None]
        else:
            places = torch.stack([place for place in positions if place is not None])
        with self.cache.during(DecodingPass(slots, keys, self._device)):
            return self._forward(ids, places)

    def _read_chunks(
        self,
        slot: int,
        ids: Sequence[int],
        cached: int,
        prefix: int,
        positions: Tensor | None,
        adapter: str | None,
        chunk: Callable[[], int],
    ) -> Reading:
        done = cached
        while True:
            piece = ids[done : done + chunk()]
            self._adapters.activate(adapter)
            inputs = torch.tensor([piece], device=self._device)
            end = done + len(piece)
            if positions is None:
                places = torch.arange(done, end, device=self._device)[None]
            else:
                places = positions[None, :, done:end]
            with self.cache.during(ReadingPass(slot, prefix + done, len(piece))):
                logits = self._forward(inputs, places)
            done = end
            if done == len(ids):
                return logits
            yield len(piece)

    def _read_layers(
        self, slot: int, ids: Sequence[int], prefix: int, positions: Tensor, adapter: str | None
    ) -> Reading:
        inputs = torch.tensor(ids, device=self._device)
        mask = functional.pad(self._model.prompt_mask(inputs), (prefix, 0), value=True)[None, None]
        reading = ReadingPass(slot, prefix, len(ids))
        layers = self._model.prefill_layers(
            inputs[None], positions[None], attention_mask=mask, past_key_values=self.cache
        )
        while True:
            self._adapters.activate(adapter)
            with self.cache.during(reading):
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
