"""How much memory models take, and how much there is.

:func:`estimate_model` says what a model takes, on which device; :class:`MemoryBudget` what models may take now.
"""

from app.models.memory.budget import MemoryBudget
from app.models.memory.estimate import MemoryEstimate
from app.models.memory.model_estimate import estimate_model
from app.models.memory.planned_checkpoint import download_bytes
from app.models.memory.snapshot import MemorySnapshot

__all__ = ["MemoryBudget", "MemoryEstimate", "MemorySnapshot", "download_bytes", "estimate_model"]
