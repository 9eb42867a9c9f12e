"""MemoryBudget: how much memory models may take now. Both the catalog's "fits" and the pool's decision use it.

For each device (RAM; the memory of the GPU that PyTorch uses), at any moment:

    capacity = available on the machine + held by our models        as if none of ours were loaded;
               RAM: at most PARLEY_MEMORY_LIMIT_MIB, if set
    taken    = Σ max(promised, held) over our models
    free     = capacity − taken                                      without unloading any model
             = capacity − taken by models in use                     once the idle ones are unloaded

*Promised* is a model's estimate, from before its worker starts until after it has ended. *Held* is what the worker
would free by ending: in RAM its own pages, but not pages of files. So a model counts exactly once in every state:

- while it loads, only a part of it is allocated: the promise covers the rest;
- mapped weights are pages of files, which the kernel counts as available and the worker doesn't "hold": the promise
  covers them;
- once it is loaded, the memory it holds is no longer available on the machine and is added back to the capacity.

The GPU memory held by one process can't be read in a container. A model that is loading is assumed to hold nothing
yet, a loaded one to hold its weights and KV cache, which are allocated at once.

If a GPU's memory can't be read, its models are counted in RAM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.models.memory.estimate import MemoryEstimate
from app.models.memory.machine import DeviceMemory, Machine, MachineMemory
from app.models.memory.snapshot import Amount, MemorySnapshot, Taken, need, total


class MemoryHolder(Protocol):
    """A model that memory is promised to, as the pool knows it."""

    @property
    def model_id(self) -> str:
        """Id with variant."""

    @property
    def pid(self) -> int | None:
        """Id of its worker process; ``None`` if there is none."""

    @property
    def loaded(self) -> bool:
        """Whether it has finished loading."""

    @property
    def in_use(self) -> bool:
        """Whether it is generating and must not be unloaded."""


class MachineReader(Protocol):
    """The part of :class:`Machine` that the budget uses; tests replace it."""

    def memory(self) -> MachineMemory:
        """Total and available memory of each device."""

    def resident_bytes(self, pid: int) -> int:
        """RAM that is freed when the process ends."""

    def changed(self) -> None:
        """A model was loaded or unloaded: drop cached readings."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The machine's memory and what each of our models holds, at one moment."""

    machine: MachineMemory
    held: Mapping[MemoryHolder, Amount]


class MemoryBudget:
    """The memory promised to models. There is one budget for the whole application.

    ``promise`` and ``release`` are called by the pool from one thread; everything else is thread-safe.
    """

    def __init__(self, limit_bytes: int = 0, machine: MachineReader | None = None) -> None:
        """`limit_bytes`: RAM for all models together; 0: all that the machine has."""
        self.limit_bytes = limit_bytes
        self._machine = Machine() if machine is None else machine
        self._promises: dict[MemoryHolder, MemoryEstimate] = {}
        self._last: MachineMemory | None = None

    @property
    def promised_bytes(self) -> int:
        """Bytes promised to all models, on all devices."""
        return sum(estimate.total_bytes for estimate in tuple(self._promises.values()))

    def promised_to(self, holder: MemoryHolder) -> int:
        """Bytes promised to one model."""
        estimate = self._promises.get(holder)
        return estimate.total_bytes if estimate else 0

    def load_share(self, holder: MemoryHolder) -> float | None:
        """How much of a loading model's weights is in RAM, 0 … 0.99; ``None`` if that can't be told. Reads a file.

        In whole hundredths. On a GPU, the weights leave the RAM again.
        """
        estimate, pid = self._promises.get(holder), holder.pid
        if estimate is None or estimate.on_gpu or pid is None or not estimate.weights_bytes:
            return None
        return min(99, 100 * self._machine.resident_bytes(pid) // estimate.weights_bytes) / 100

    def promise(self, holder: MemoryHolder, estimate: MemoryEstimate) -> None:
        """Reserve the estimate for `holder`. The caller checks with a snapshot that it fits."""
        self._promises[holder] = estimate
        self._machine.changed()

    def loaded(self) -> None:
        """Note that a model has finished loading."""
        self._machine.changed()

    def release(self, holder: MemoryHolder) -> None:
        """Take back the promise after the worker has ended. Does nothing if nothing was promised."""
        if self._promises.pop(holder, None) is not None:
            self._machine.changed()

    def read(self) -> Reading:
        """Read the machine's memory. Blocks: reads files, and may run nvidia-smi on a machine with a GPU."""
        # A loading model grows meanwhile: in this order its growth is missed, not counted twice.
        held = {holder: self._held(holder, estimate) for holder, estimate in tuple(self._promises.items())}
        self._last = self._machine.memory()
        return Reading(self._last, held)

    def could_hold(self, estimate: MemoryEstimate | None) -> bool:
        """Whether the model would fit if nothing else used memory; true if its estimate is unknown.

        Only the first call may block, since the machine's total memory does not change.
        """
        if estimate is None:
            return True
        machine = self._last or self.read().machine
        vram = machine.vram
        ram_bytes = min(machine.ram.total_bytes, self.limit_bytes or machine.ram.total_bytes)
        everything = Amount(ram_bytes, vram.total_bytes if vram else 0)
        return everything.covers(need(estimate, counts_vram=vram is not None))

    def snapshot(self, reading: Reading | None = None) -> MemorySnapshot:
        """The budget at this moment, from a recent `reading` or a new one (**blocks**)."""
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
