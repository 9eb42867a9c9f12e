"""The machine's memory per device, and how much of it a process holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from app.models.memory.cgroups import memory_limits
from app.models.memory.gpus import GpuMemory, has_gpu


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """One device's memory in bytes; `available_bytes` is free, or can be freed without swapping."""

    total_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class MachineMemory:
    """The memory of all devices at one moment."""

    ram: DeviceMemory
    vram: DeviceMemory | None  # of the GPU that PyTorch uses; None if there is none or it can't be read


class Machine:
    """The machine that this process runs on. Thread-safe; blocks to read files or to run nvidia-smi."""

    def __init__(self, root: Path = Path("/"), gpu: GpuMemory | None = None) -> None:
        self._root = root
        self._gpu = gpu or GpuMemory(root)

    def memory(self) -> MachineMemory:
        """RAM, within the limits of the container (control group), and the GPU's memory."""
        ram = psutil.virtual_memory()
        total, available = ram.total, ram.available
        for limit, used in memory_limits(self._root):
            total, available = min(total, limit), min(available, max(0, limit - used))
        vram = self._gpu.read() if has_gpu(self._root) else None
        return MachineMemory(DeviceMemory(total, available), DeviceMemory(*vram) if vram else None)

    def resident_bytes(self, pid: int) -> int:
        """RAM that is freed when the process ends; 0 if it has ended.

        Pages of files, such as mapped weights, don't count: they are available already.
        """
        try:
            held = psutil.Process(pid).memory_info()
        except psutil.Error:
            return 0
        return int(held.rss - getattr(held, "shared", 0))  # Linux: "shared" are pages of files and shared memory

    def changed(self) -> None:
        """A model was loaded or unloaded: drop cached readings."""
        self._gpu.forget()
