"""Memory estimates for models, and the memory available for them.

:func:`estimate_model` computes what a model takes and on which device; :class:`MemoryBudget` how much models may take.
"""

from app.models.memory.budget import MemoryBudget
from app.models.memory.estimate import MemoryEstimate
from app.models.memory.model_estimate import estimate_model
from app.models.memory.planned_checkpoint import download_bytes
from app.models.memory.snapshot import MemorySnapshot

__all__ = ["MemoryBudget", "MemoryEstimate", "MemorySnapshot", "download_bytes", "estimate_model"]
