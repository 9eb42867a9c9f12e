"""Progress and cancellation of downloads, imports and conversions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["downloading", "unpacking", "verifying", "converting", "quantizing", "copying"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress within a phase, in bytes."""

    phase: Phase
    done_bytes: int
    total_bytes: int | None


OnProgress = Callable[[Progress], None]
Cancelled = Callable[[], bool]
