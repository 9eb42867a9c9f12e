"""A machine whose memory a test decides; what the memory budget asks of the real one."""

from __future__ import annotations

from app.models.memory.machine import DeviceMemory, MachineMemory
from app.models.memory.snapshot import Amount


class FakeMachine:
    """Other programs and our workers share its memory."""

    def __init__(self, total: Amount, *, gpu: bool = False) -> None:
        self.total = total
        self.gpu = gpu
        self.others = Amount()
        self.workers: dict[int, Amount] = {}  # by process id: pages of files are not among them
        self.readings = 0

    @property
    def used(self) -> Amount:
        """By everybody."""
        return sum(self.workers.values(), self.others)

    def memory(self) -> MachineMemory:
        """As the kernel and the GPU's driver would tell it."""
        self.readings += 1
        free = (self.total - self.used).at_least(Amount())
        return MachineMemory(
            DeviceMemory(self.total.ram, free.ram), DeviceMemory(self.total.vram, free.vram) if self.gpu else None
        )

    def resident_bytes(self, pid: int) -> int:
        """RAM of one worker."""
        return self.workers.get(pid, Amount()).ram

    def changed(self) -> None:
        """Nothing is remembered here."""
