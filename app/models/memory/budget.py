"""MemoryBudget: how much memory models may take now. The catalog's "fits" and the pool's verdict both come from it.

For each device (RAM; the memory of the GPU that PyTorch uses), at any moment:

    capacity = available on the machine + what our models hold       as if none of ours were loaded;
               RAM: at most PARLEY_MEMORY_LIMIT_MIB, if that is set
    taken    = Σ max(promised, held) over our models
    free     = capacity − taken                                      without unloading any
             = capacity − taken by models in use                     once the idle ones are unloaded

*Promised* is a model's estimate, from before its worker starts until after it has ended. *Held* is what would come back
if the worker ended: in RAM its own pages, but not pages of files. So a model counts once, whatever it is doing:

- while it loads, the kernel sees only a part of it: the promise covers the rest;
- mapped weights are pages of files, which the kernel calls available and which a worker doesn't "hold": the promise
  covers them;
- once it is loaded, what it holds is no longer available on the machine and comes back into the capacity.

How much of a GPU's memory one process holds can't be read in a container. A model that loads there is taken to hold
nothing yet, one that is loaded its weights and KV cache, which are allocated as a whole.

Where a GPU's memory can't be read, its models are counted in RAM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.models.memory.estimate import MemoryEstimate
from app.models.memory.machine import DeviceMemory, Machine, MachineMemory
from app.models.memory.snapshot import Amount, MemorySnapshot, Taken, need, total


class MemoryHolder(Protocol):
    """A model that memory is promised to, as the one who loads it knows it."""

    @property
    def model_id(self) -> str:
        """Base and variant."""

    @property
    def pid(self) -> int | None:
        """The process that holds its weights, while there is one."""

    @property
    def loaded(self) -> bool:
        """Whether it has finished loading."""

    @property
    def in_use(self) -> bool:
        """Whether it must not be unloaded now."""


class MachineReader(Protocol):
    """What the budget asks of a :class:`Machine`."""

    def memory(self) -> MachineMemory:
        """All memory now."""

    def resident_bytes(self, pid: int) -> int:
        """RAM that comes back when the process ends."""

    def changed(self) -> None:
        """A model has come or gone."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine and what each of our models holds, at one moment."""

    machine: MachineMemory
    held: Mapping[MemoryHolder, Amount]


class MemoryBudget:
    """Keeps what was promised to models. There is one for the whole application.

    ``promise`` and ``release`` are the pool's, from one thread; everything else may be called from any thread.
    """

    def __init__(self, limit_bytes: int = 0, machine: MachineReader | None = None) -> None:
        """`limit_bytes`: of RAM for all models together; 0: what the machine has."""
        self.limit_bytes = limit_bytes
        self._machine = Machine() if machine is None else machine
        self._promises: dict[MemoryHolder, MemoryEstimate] = {}
        self._last: MachineMemory | None = None

    @property
    def promised_bytes(self) -> int:
        """Promised to all models, on all devices."""
        return sum(estimate.total_bytes for estimate in tuple(self._promises.values()))

    def promised_to(self, holder: MemoryHolder) -> int:
        """Bytes promised to one model."""
        estimate = self._promises.get(holder)
        return estimate.total_bytes if estimate else 0

    def promise(self, holder: MemoryHolder, estimate: MemoryEstimate) -> None:
        """`holder` is going to take so much. Ask a snapshot first."""
        self._promises[holder] = estimate
        self._machine.changed()

    def loaded(self) -> None:
        """A model has finished loading."""
        self._machine.changed()

    def release(self, holder: MemoryHolder) -> None:
        """Its worker has ended. Does nothing where nothing was promised."""
        if self._promises.pop(holder, None) is not None:
            self._machine.changed()

    def read(self) -> Reading:
        """Look at the machine. Blocks: reads files, on a machine with a GPU it may run a program."""
        # Who loads grows meanwhile: read in this order its growth is missed, not counted twice.
        held = {holder: self._held(holder, estimate) for holder, estimate in tuple(self._promises.items())}
        self._last = self._machine.memory()
        return Reading(self._last, held)

    def could_hold(self, estimate: MemoryEstimate | None) -> bool:
        """Whether the machine could hold it if nothing else needed its memory; true where its need isn't known.

        What the machine has in all does not change: only the first call may block.
        """
        if estimate is None:
            return True
        machine = self._last or self.read().machine
        vram = machine.vram
        ram_bytes = min(machine.ram.total_bytes, self.limit_bytes or machine.ram.total_bytes)
        machines = Amount(ram_bytes, vram.total_bytes if vram else 0)
        return machines.covers(need(estimate, counts_vram=vram is not None))

    def snapshot(self, reading: Reading | None = None) -> MemorySnapshot:
        """The budget now, by a `reading` that was just made, or by a new one (**blocks**)."""
        reading = reading or self.read()
        ram, vram = reading.machine.ram, reading.machine.vram
        capacity = Amount(ram.available_bytes, vram.available_bytes if vram else 0) + total(reading.held.values())
        limited = 0 < self.limit_bytes < capacity.ram
        if limited:
            capacity = Amount(self.limit_bytes, capacity.vram)
        if self.limit_bytes:
            ram = DeviceMemory(min(ram.total_bytes, self.limit_bytes), ram.available_bytes)
        taken = []
        for holder, estimate in tuple(self._promises.items()):
            amount = need(estimate, counts_vram=vram is not None).at_least(reading.held.get(holder, Amount()))
            taken.append(Taken(holder.model_id, amount, holder.in_use))
        return MemorySnapshot(ram, vram, capacity, limited, tuple(taken))

    def _held(self, holder: MemoryHolder, estimate: MemoryEstimate) -> Amount:
        pid = holder.pid
        allocated = estimate.weights_bytes + estimate.kv_bytes if estimate.on_gpu and holder.loaded else 0
        return Amount(0 if pid is None else self._machine.resident_bytes(pid), allocated)
