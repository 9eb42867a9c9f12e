"""GPUs: whether PyTorch can use one, and how much memory it has. Read without importing torch."""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

log = logging.getLogger(__name__)

_MIB = 1 << 20
_NVIDIA, _AMD = "dev/nvidia0", "dev/kfd"  # created by their drivers
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_NVIDIA_SMI = (
    "nvidia-smi",
    "--query-gpu=index,uuid,memory.total,memory.free",
    "--format=csv,noheader,nounits",
)
_TIMEOUT_S = 5.0
_FRESH_S = 1.0
_RETRY_S = 60.0  # a driver that fails is not asked every second


@functools.cache
def has_gpu(root: Path = Path("/")) -> bool:
    """Whether this process may use a GPU and PyTorch was built for one."""
    drivers = any((root / driver).exists() for driver in (_NVIDIA, _AMD))
    if not drivers or first_visible(os.environ) is None or importlib.util.find_spec("torch") is None:
        return False
    try:
        return "+cpu" not in version("torch")
    except PackageNotFoundError:  # importable but not installed: its build is unknown
        return True


def first_visible(environment: Mapping[str, str]) -> str | None:
    """Index or UUID of the first GPU visible to PyTorch, by the environment; ``None`` if all are hidden."""
    for name in _VISIBLE:
        if name in environment:
            first = environment[name].split(",")[0].strip()
            return None if first in ("", "-1") else first
    return "0"


class GpuMemory:
    """Reads the memory of the GPU that PyTorch uses, at most once a second. Thread-safe; blocks."""

    def __init__(
        self,
        root: Path = Path("/"),
        environment: Mapping[str, str] = os.environ,
        run: Callable[[], str] | None = None,
    ) -> None:
        """`run` returns the output of nvidia-smi; it may raise as :mod:`subprocess` does."""
        self._root = root
        self._environment = environment
        self._run = run or _nvidia_smi
        self._lock = threading.Lock()
        self._last: tuple[int, int] | None = None
        self._good_until_s = 0.0
        self._warned = False

    def read(self) -> tuple[int, int] | None:
        """(total, free) in bytes; ``None`` if there is no GPU or it can't be read."""
        chosen = first_visible(self._environment)
        if chosen is None:
            return None
        with self._lock:
            if time.monotonic() >= self._good_until_s:
                self._last = self._measure(chosen)
                self._good_until_s = time.monotonic() + (_RETRY_S if self._last is None else _FRESH_S)
            return self._last

    def forget(self) -> None:
        """Drop the cached reading: a model was loaded or unloaded."""
        with self._lock:
            if self._last is not None:
                self._good_until_s = 0.0

    def _measure(self, chosen: str) -> tuple[int, int] | None:
        try:
            if (self._root / _NVIDIA).exists():
                return _nvidia_memory(self._run(), chosen)
            return _amd_memory(self._root, int(chosen))
        except (OSError, subprocess.SubprocessError, ValueError, LookupError) as err:
            if not self._warned:
                log.warning("The GPU's memory can't be read (%s). Models on the GPU are counted in RAM.", err)
            self._warned = True
            return None


def _nvidia_smi() -> str:
    return subprocess.run(_NVIDIA_SMI, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout


def _nvidia_memory(answer: str, chosen: str) -> tuple[int, int]:
    """(total, free) from lines of index, UUID, total and free MiB. Raises ValueError (for "[N/A]"), LookupError."""
    for line in answer.splitlines():
        index, uuid, total, free = (part.strip() for part in line.split(","))
        if chosen == index or uuid.startswith(chosen):
            return int(total) * _MIB, int(free) * _MIB
    raise LookupError(f"nvidia-smi lists no GPU {chosen}")


def _amd_memory(root: Path, index: int) -> tuple[int, int]:
    """(total, free) from sysfs. Raises :class:`OSError`, :class:`ValueError`, :class:`LookupError`."""
    cards = sorted(
        root.glob("sys/class/drm/card*/device/mem_info_vram_total"),
        key=lambda path: int(path.parts[-3].removeprefix("card")),
    )
    total = int(cards[index].read_text(encoding="ascii"))
    used = int(cards[index].with_name("mem_info_vram_used").read_text(encoding="ascii"))
    return total, max(0, total - used)
