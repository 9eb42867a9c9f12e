"""The state of one request in the worker, and the size of its prefill chunks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from torch import Tensor

from app.domain.prefill import TORCH_CHUNK_TOKENS
from app.domain.sampling import SamplingParams
from app.engine.torch.detokenizer import Detokenizer
from app.engine.torch.sampling import Row
from app.engine.torch.slot_model import Prefill
from app.engine.torch.slot_table import Slot

# Between two decode steps, prefill may take about this long: running replies pause, but still read as a flow.
PREFILL_BUDGET_S = 0.25
_SMALLEST_CHUNK = 16  # tokens


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """A request to generate: the prompt's token ids, sampling parameters and adapter."""

    id: int
    ids: list[int]
    params: SamplingParams
    adapter: str | None = None


@dataclass(slots=True, eq=False)
class Sequence:
    """A job in its slot: it is prefilled while there is a ``prefill``, then decoded."""

    job: GenerationJob
    slot: Slot
    cached: int  # prompt tokens found in the KV cache
    prefix: int  # length of the P-tuning prefix before them, in keys
    positions: Tensor | None  # of the last token, [k, 1]
    row: Row
    text: Detokenizer
    limit: int  # at most so many new tokens
    prefill: Prefill | None = None
    last: int = -1  # the newest token, the input of the next decode step
    n_generated: int = 0

    @property
    def prefill_left(self) -> int:
        """Prompt tokens still to be prefilled."""
        return len(self.job.ids) - len(self.slot.tokens)


@dataclass(slots=True)
class PrefillPace:
    """The prefill chunk size: large for speed, smaller on a slow machine while other replies are decoding."""

    others_wait: bool = False
    _tokens_per_s: float = field(default=0.0)
    _began: float = field(default=0.0)

    def chunk(self) -> int:
        """The next chunk's size in tokens."""
        if not self.others_wait or not self._tokens_per_s:
            return TORCH_CHUNK_TOKENS
        fitting = int(self._tokens_per_s * PREFILL_BUDGET_S) // _SMALLEST_CHUNK * _SMALLEST_CHUNK
        return max(_SMALLEST_CHUNK, min(TORCH_CHUNK_TOKENS, fitting))

    def begin(self) -> None:
        """Start timing a chunk."""
        self._began = time.perf_counter()

    def end(self, n_tokens: int) -> None:
        """Stop timing it. Small chunks are not measured: most of their cost does not depend on the number of tokens."""
        if n_tokens >= _SMALLEST_CHUNK:
            self._tokens_per_s = n_tokens / max(time.perf_counter() - self._began, 1e-6)
