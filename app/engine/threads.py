"""The number of threads of a worker, and how waiting threads behave.

Cores are shared by agreement: with OpenMP's defaults, threads spin at barriers, and two workers stop each other dead.
"""

from __future__ import annotations

import os

OPENMP = {"GOMP_SPINCOUNT": "100"}
# PyTorch's threads spin some 50 µs for the next of many small products before they yield their core: longer than those
# of other workers, but it makes PyTorch a tenth faster.
OPENMP_FOR_TORCH = {"GOMP_SPINCOUNT": "3000"}


def available_cores() -> int:
    """The number of cores that this process, and so a worker, may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
