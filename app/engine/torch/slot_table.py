"""Chooses the slot of a request: the one that holds most of its prompt already, else the one longest unused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Slot:
    """One place in the batch, and what its keys and values are of."""

    index: int
    tokens: list[int] = field(default_factory=list)
    adapter: str | None = None
    busy: bool = False
    used_at: int = 0

    def holds(self, ids: Sequence[int], adapter: str | None) -> int:
        """How many tokens at the start of `ids` are here. Another adapter's keys are of no use."""
        if adapter != self.adapter:
            return 0
        limit = min(len(ids), len(self.tokens))
        if self.tokens[:limit] == ids[:limit]:
            return limit
        return next(n for n in range(limit) if self.tokens[n] != ids[n])


@dataclass(frozen=True, slots=True)
class Place:
    """A slot for a prompt; its first `cached` tokens are in the slot `source`, which may be the slot itself."""

    slot: Slot
    source: Slot
    cached: int


class SlotTable:
    """All slots of a model."""

    def __init__(self, n_slots: int, *, reuses_prompts: bool) -> None:
        self.slots = [Slot(index) for index in range(n_slots)]
        self._reuses_prompts = reuses_prompts
        self._clock = 0

    def take(self, ids: list[int], adapter: str | None) -> Place | None:
        """A place for the prompt `ids`, or ``None`` while all are busy.

        A slot that holds a conversation is taken over by that conversation's next turn, not by another one that
        merely begins alike: that one gets a copy of the common start. At least one token is left to read.
        """
        free = [slot for slot in self.slots if not slot.busy]
        if not free:
            return None
        held = {slot.index: self._held(slot, ids, adapter) for slot in self.slots}
        going_on = [slot for slot in free if slot.tokens and 2 * held[slot.index] >= len(slot.tokens)]
        if going_on:
            chosen = max(going_on, key=lambda slot: held[slot.index])
        else:
            chosen = min(free, key=lambda slot: (bool(slot.tokens), slot.used_at))
        source = max(self.slots, key=lambda slot: (held[slot.index], slot is chosen))
        chosen.busy = True
        self._clock += 1
        chosen.used_at = self._clock
        return Place(chosen, source, held[source.index])

    def release(self, slot: Slot) -> None:
        """`slot` is free; what it holds may be used again."""
        slot.busy = False
        if not self._reuses_prompts:
            slot.tokens = []

    def _held(self, slot: Slot, ids: list[int], adapter: str | None) -> int:
        return min(slot.holds(ids, adapter), len(ids) - 1) if self._reuses_prompts else 0
