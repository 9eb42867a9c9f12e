"""A request in the worker, from its arrival to its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from torch import Tensor

from app.domain.prefill import TORCH_CHUNK_TOKENS
from app.domain.sampling import SamplingParams
from app.engine.torch.detokenizer import Detokenizer
from app.engine.torch.sampling import Row
from app.engine.torch.slot_model import Reading
from app.engine.torch.slot_table import Slot

# Reading prompts may make those who are decoding wait about so long: a pause that still reads as a flow.
PAUSE_S = 0.25
_SMALLEST_PIECE = 16  # tokens


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """What is asked for."""

    id: int
    ids: list[int]
    params: SamplingParams
    adapter: str | None = None


@dataclass(slots=True, eq=False)
class Sequence:
    """A job in its slot: its prompt is being read while there is a ``reading``, then it is decoded."""

    job: GenerationJob
    slot: Slot
    cached: int  # prompt tokens that need not be read
    prefix: int  # keys before them
    positions: Tensor | None  # of the last token, [k, 1]
    row: Row
    text: Detokenizer
    limit: int  # tokens that may be generated
    reading: Reading | None = None
    last: int = -1  # the token that is decoded next
    n_generated: int = 0

    @property
    def unread(self) -> int:
        """Prompt tokens still to be read."""
        return len(self.job.ids) - len(self.slot.tokens)


@dataclass(slots=True)
class Pace:
    """How much of a prompt to read at once: as much as is fast, and less where that takes long and others wait."""

    others_wait: bool = False
    _tokens_per_s: float = field(default=0.0)
    _began: float = field(default=0.0)

    def piece(self) -> int:
        """Tokens of the next piece."""
        if not self.others_wait or not self._tokens_per_s:
            return TORCH_CHUNK_TOKENS
        fitting = int(self._tokens_per_s * PAUSE_S) // _SMALLEST_PIECE * _SMALLEST_PIECE
        return max(_SMALLEST_PIECE, min(TORCH_CHUNK_TOKENS, fitting))

    def begin(self) -> None:
        """A piece is begun."""
        self._began = time.perf_counter()

    def end(self, n_tokens: int) -> None:
        """It is done. Small ones tell little: their cost is not the tokens'."""
        if n_tokens >= _SMALLEST_PIECE:
            self._tokens_per_s = n_tokens / max(time.perf_counter() - self._began, 1e-6)
