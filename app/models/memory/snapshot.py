"""MemorySnapshot: the memory budget at one moment, and whether a model fits. See :mod:`app.models.memory.budget`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.errors import NotEnoughMemory
from app.models.memory.estimate import MIB, MemoryEstimate
from app.models.memory.machine import DeviceMemory


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes on each device."""

    ram: int = 0
    vram: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.ram + other.ram, self.vram + other.vram)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.ram - other.ram, self.vram - other.vram)

    def at_least(self, other: Amount) -> Amount:
        """The larger of both, on each device."""
        return Amount(max(self.ram, other.ram), max(self.vram, other.vram))

    def covers(self, need: Amount) -> bool:
        """Whether `need` fits into it on each device; a negative amount counts as 0."""
        return need.ram <= max(0, self.ram) and need.vram <= max(0, self.vram)


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum of `amounts`."""
    return sum(amounts, Amount())


def need(estimate: MemoryEstimate, *, counts_vram: bool) -> Amount:
    """The memory that must be free on each device; all in RAM if the GPU's memory isn't counted."""
    return Amount(estimate.ram_bytes, estimate.vram_bytes) if counts_vram else Amount(estimate.total_bytes)


@dataclass(frozen=True, slots=True)
class Taken:
    """The memory taken by one of our models."""

    model_id: str
    amount: Amount
    in_use: bool


@dataclass(frozen=True, slots=True)
class MemorySnapshot:
    """The budget at one moment: immutable, so that all models of a listing are checked against the same memory."""

    ram: DeviceMemory  # `total_bytes`: within the limits of the container and the settings
    vram: DeviceMemory | None
    capacity: Amount
    limited: bool  # capacity is limited by PARLEY_MEMORY_LIMIT_MIB; the machine has more
    taken: tuple[Taken, ...]

    @property
    def free(self) -> Amount:
        """The memory available to a model loaded now, after unloading the idle ones."""
        return self.capacity - total(model.amount for model in self.taken if model.in_use)

    @property
    def free_bytes(self) -> int:
        """Free RAM in bytes."""
        return max(0, self.free.ram)

    @property
    def free_vram_bytes(self) -> int | None:
        """Free GPU memory in bytes; ``None`` if that isn't counted."""
        return None if self.vram is None else max(0, self.free.vram)

    def fits(self, estimate: MemoryEstimate | None, model_id: str = "") -> bool | None:
        """Whether the pool would load it now, if necessary with fewer slots; ``None`` if its estimate is unknown.

        A model that is already loaded (`model_id`) fits.
        """
        if estimate is None:
            return None
        return any(model.model_id == model_id for model in self.taken) or self.granted(estimate) is not None

    def granted(self, estimate: MemoryEstimate) -> MemoryEstimate | None:
        """The estimate with as many slots as fit after unloading idle models; ``None`` if not even one fits."""
        choices = (estimate.with_slots(slots) for slots in range(estimate.slots, 0, -1))
        return next((choice for choice in choices if self.free.covers(self._need(choice))), None)

    def to_unload(self, estimate: MemoryEstimate) -> frozenset[str]:
        """Ids of the idle models to unload for `estimate`; empty if it fits beside all loaded models."""
        unused = self.capacity - total(model.amount for model in self.taken)
        wanted = self._need(estimate)
        lacks_ram, lacks_vram = not unused.covers(Amount(ram=wanted.ram)), not unused.covers(Amount(vram=wanted.vram))
        return frozenset(
            model.model_id
            for model in self.taken
            if not model.in_use and ((lacks_ram and model.amount.ram) or (lacks_vram and model.amount.vram))
        )

    def refusal(self, model_id: str, estimate: MemoryEstimate) -> NotEnoughMemory:
        """The error for a model that does not fit, with what to do."""
        wanted, free = self._need(estimate.with_slots(1)), self.free
        on_gpu = wanted.ram <= free.ram
        needed_bytes, free_bytes = (wanted.vram, free.vram) if on_gpu else (wanted.ram, free.ram)
        busy = [model.model_id for model in self.taken if model.in_use]
        more = "raise PARLEY_MEMORY_LIMIT_MIB" if self.limited else "close other programs"
        advice = (
            f"These models are in use: {', '.join(busy)}. Wait for their replies, or stop them."
            if busy and self.capacity.covers(wanted)
            else f"Choose a smaller model or a smaller quantization, lower PARLEY_CONTEXT_TOKENS, or {more}."
        )
        device = "GPU memory" if on_gpu else "memory"
        return NotEnoughMemory(
            f"This model needs {needed_bytes / MIB:.0f} MiB of {device}, but only {max(0, free_bytes) / MIB:.0f} MiB "
            f"are free for models. {advice}",
            model_id=model_id,
            needed_bytes=needed_bytes,
            available_bytes=max(0, free_bytes),
        )

    def _need(self, estimate: MemoryEstimate) -> Amount:
        return need(estimate, counts_vram=self.vram is not None)
