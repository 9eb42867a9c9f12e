"""How many threads a worker gets, and how its threads wait.

Cores are shared by agreement: with OpenMP's defaults, threads spin at barriers, and two workers stop each other dead.
"""

from __future__ import annotations

import os

OPENMP = {"GOMP_SPINCOUNT": "100"}
# PyTorch's threads wait some 50 µs for the next of many small products before they give their core away: longer than
# other workers' do, but it is worth a tenth of the speed.
OPENMP_FOR_TORCH = {"GOMP_SPINCOUNT": "3000"}


def available_cores() -> int:
    """Cores that this process, and so a worker, may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
