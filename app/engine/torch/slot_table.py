"""Assigns slots to requests: the slot with the longest cached prefix of the prompt, else the least recently used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Slot:
    """One slot of the batch, and the tokens whose keys and values its KV cache holds."""

    index: int
    tokens: list[int] = field(default_factory=list)
    adapter: str | None = None
    busy: bool = False
    used_at: int = 0

    def holds(self, ids: Sequence[int], adapter: str | None) -> int:
        """The length of the common prefix of `ids` and the slot's tokens; 0 for another adapter, whose keys differ."""
        if adapter != self.adapter:
            return 0
        limit = min(len(ids), len(self.tokens))
        if self.tokens[:limit] == ids[:limit]:
            return limit
        return next(n for n in range(limit) if self.tokens[n] != ids[n])


@dataclass(frozen=True, slots=True)
class Assignment:
    """The slot of a prompt; its first `cached` tokens are in the slot `source`, which may be the same slot."""

    slot: Slot
    source: Slot
    cached: int


class SlotTable:
    """All slots of a model, free and busy."""

    def __init__(self, n_slots: int, *, reuses_prompts: bool) -> None:
        self.slots = [Slot(index) for index in range(n_slots)]
        self._reuses_prompts = reuses_prompts
        self._clock = 0

    def take(self, ids: list[int], adapter: str | None) -> Assignment | None:
        """Assign a slot to the prompt `ids`; ``None`` while all are busy.

        A slot that holds a conversation goes to that conversation's next turn, not to another conversation that only
        shares its beginning: that one gets a copy of the common prefix. At least one token is left to prefill, since
        its logits are needed.
        """
        free = [slot for slot in self.slots if not slot.busy]
        if not free:
            return None
        held = {slot.index: self._held(slot, ids, adapter) for slot in self.slots}
        continued = [slot for slot in free if slot.tokens and 2 * held[slot.index] >= len(slot.tokens)]
        if continued:
            chosen = max(continued, key=lambda slot: held[slot.index])
        else:
            chosen = min(free, key=lambda slot: (bool(slot.tokens), slot.used_at))
        source = max(self.slots, key=lambda slot: (held[slot.index], slot is chosen))
        chosen.busy = True
        self._clock += 1
        chosen.used_at = self._clock
        return Assignment(chosen, source, held[source.index])

    def release(self, slot: Slot) -> None:
        """Free `slot`; its KV cache may be reused."""
        slot.busy = False
        if not self._reuses_prompts:
            slot.tokens = []

    def _held(self, slot: Slot, ids: list[int], adapter: str | None) -> int:
        return min(slot.holds(ids, adapter), len(ids) - 1) if self._reuses_prompts else 0
