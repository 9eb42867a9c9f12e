"""Continuous batching: requests join and leave between steps, and each step decodes one token for every running reply.

A step takes new requests, prefills prompts in chunks for a bounded time, decodes all running replies in one forward
pass (one for each adapter), and emits all new tokens together. A request that fails does not affect the others.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import torch

from app.engine.torch.detokenizer import Detokenizer
from app.engine.torch.frames import StepOutput
from app.engine.torch.sampling import Row, sample
from app.engine.torch.sequences import PREFILL_BUDGET_S, GenerationJob, PrefillPace, Sequence
from app.engine.torch.slot_model import SlotModel
from app.engine.torch.slot_table import Assignment, SlotTable
from app.engine.torch.slots import Abandoned

if TYPE_CHECKING:
    from app.engine.torch.loading import Loaded

_NO_NUMBERS = (
    "The model computed NaN for the next token. Its weights may be damaged, or its precision too low for this "
    "text. Try again, or load it with another quantization."
)
_NO_MEMORY = (
    "The machine ran out of memory while writing this reply. Shorten the conversation, wait for other replies to "
    "finish, or choose a smaller model or context."
)


class Scheduler:
    """Runs a model's batch in the thread that calls :meth:`run`. ``submit``, ``cancel``, ``busy`` are thread-safe."""

    def __init__(
        self, loaded: Loaded, *, n_slots: int, context_tokens: int, emit: Callable[[list[StepOutput]], None]
    ) -> None:
        """`emit` is called with each step's outputs; it may be replaced between two steps.

        Raises :class:`ValueError` where the model cannot be batched.
        """
        self._loaded = loaded
        self._context_tokens = context_tokens
        self.emit = emit
        self._model = SlotModel(loaded, n_slots, context_tokens)
        self._table = SlotTable(n_slots, reuses_prompts=self._model.reuses_prompts)
        self._inbox: SimpleQueue[GenerationJob | int] = SimpleQueue()  # a number: cancel that job
        self._cancelled: set[int] = set()  # those of the inbox, for a forward pass that is being computed
        self._waiting: deque[GenerationJob] = deque()
        self._running: dict[int, Sequence] = {}
        self._pace = PrefillPace()
        self._outputs: list[StepOutput] = []

    @property
    def busy(self) -> int:
        """The number of running and waiting requests."""
        return len(self._running) + len(self._waiting)

    def submit(self, job: GenerationJob) -> None:
        """Queue `job` for the next step."""
        self._inbox.put(job)

    def cancel(self, job_id: int) -> None:
        """Drop that job, without further output: a prefill at its next layer. Does nothing if it has ended."""
        self._cancelled.add(job_id)
        self._inbox.put(job_id)

    def run(self) -> None:
        """Run steps for ever."""
        while True:
            if not self.busy:
                self._take(self._inbox.get())
            self.step()

    @torch.inference_mode()
    def step(self) -> None:
        """Run one step: admit, prefill, decode, emit."""
        self._take_arrived()
        self._place_waiting()
        self._prefill()
        self._decode()
        outputs, self._outputs = self._outputs, []
        if outputs:
            self.emit(outputs)

    def _take_arrived(self) -> None:
        while True:
            try:
                self._take(self._inbox.get_nowait())
            except Empty:
                return

    def _take(self, item: GenerationJob | int) -> None:
        if isinstance(item, GenerationJob):
            if 0 < len(item.ids) < self._context_tokens:
                self._waiting.append(item)
            else:
                self._end(item.id, "error", f"A prompt of {len(item.ids)} tokens does not fit this context.")
        else:
            self._drop(item)

    def _drop(self, job_id: int) -> None:
        self._cancelled.discard(job_id)
        if job_id in self._running:
            self._leave(self._running[job_id])
        else:
            self._waiting = deque(job for job in self._waiting if job.id != job_id)

    def _place_waiting(self) -> None:
        while self._waiting:
            job = self._waiting[0]
            assigned = self._table.take(job.ids, job.adapter)
            if assigned is None:
                return
            self._waiting.popleft()
            try:
                self._running[job.id] = self._start(job, assigned)
            except Exception as error:  # noqa: BLE001
                assigned.slot.tokens = []
                self._table.release(assigned.slot)
                self._end(job.id, "error", _explained(error))

    def _start(self, job: GenerationJob, assigned: Assignment) -> Sequence:
        """Put `job` into its slot, copying the part of its prompt that another slot has in the KV cache."""
        slot = assigned.slot
        prefix = self._model.begin(slot.index, job.adapter)
        if assigned.source is not slot and assigned.cached:
            self._model.cache.copy(assigned.source.index, slot.index, prefix + assigned.cached)
        slot.adapter, slot.tokens = job.adapter, job.ids[: assigned.cached]
        positions = self._model.positions(job.ids)
        return Sequence(
            job=job,
            slot=slot,
            cached=assigned.cached,
            prefix=prefix,
            positions=None if positions is None else positions[:, -1:],
            row=Row(job.params, job.ids, self._loaded.eos_ids),
            text=Detokenizer(self._loaded.tokenizer),
            limit=min(job.params.max_new_tokens, self._context_tokens - len(job.ids)),
            prefill=self._model.prefill(
                slot.index,
                job.ids,
                cached=assigned.cached,
                prefix=prefix,
                positions=positions,
                adapter=job.adapter,
                chunk=self._pace.chunk,
                is_abandoned=lambda: job.id in self._cancelled,
            ),
        )

    def _prefill(self) -> None:
        """Prefill chunks until the time budget is used up: one decode step costs more than one layer of prefill."""
        until = time.perf_counter() + PREFILL_BUDGET_S
        while self._prefill_chunk() and time.perf_counter() < until:
            pass

    def _prefill_chunk(self) -> bool:
        """Prefill a chunk of the prompt with the fewest tokens left (shortest first); ``False`` where there is none."""
        prefilling = [sequence for sequence in self._running.values() if sequence.prefill is not None]
        if not prefilling:
            return False
        sequence = min(prefilling, key=lambda s: s.prefill_left)
        assert sequence.prefill is not None
        self._pace.others_wait = len(prefilling) < len(self._running)
        self._pace.begin()
        slot, ids = sequence.slot, sequence.job.ids
        try:
            n_done = next(sequence.prefill)
        except StopIteration as done:
            self._pace.end(sequence.prefill_left)
            sequence.prefill = None
            slot.tokens = list(ids)
            self._choose([sequence], done.value)
        except Abandoned:
            self._leave(sequence)
        except Exception as error:  # noqa: BLE001
            self._fail(sequence, error)
        else:
            self._pace.end(n_done)
            slot.tokens = ids[: len(slot.tokens) + n_done]
        return True

    def _decode(self) -> None:
        for group in self._groups():
            self._advance(group)

    def _groups(self) -> list[list[Sequence]]:
        """The sequences to decode, by adapter, in slot order; without those that got their first token in this step."""
        groups: defaultdict[str | None, list[Sequence]] = defaultdict(list)
        reported = {output.id for output in self._outputs}
        for sequence in sorted(self._running.values(), key=lambda s: s.slot.index):
            if sequence.prefill is None and sequence.job.id not in reported:
                groups[sequence.job.adapter].append(sequence)
        return list(groups.values())

    def _advance(self, group: list[Sequence]) -> None:
        """Decode one token for each of `group`; if that fails, retry one by one, so that only the faulty one ends."""
        try:
            positions = [self._model.next_positions(s.positions) for s in group]
            logits = self._model.decode(
                slots=[s.slot.index for s in group],
                tokens=[s.last for s in group],
                lengths=[len(s.slot.tokens) for s in group],
                prefixes=[s.prefix for s in group],
                positions=positions,
                adapter=group[0].job.adapter,
            )
        except Exception as error:  # noqa: BLE001
            if len(group) == 1:
                self._fail(group[0], error)
                return
            traceback.print_exception(error, file=sys.stderr)
            for sequence in group:
                self._advance([sequence])
            return
        for sequence, position in zip(group, positions, strict=True):
            sequence.positions = position
            sequence.slot.tokens.append(sequence.last)
        self._choose(group, logits)

    def _choose(self, group: list[Sequence], logits: torch.Tensor) -> None:
        """Sample a token from each row of `logits` [b, V] and record it, or the failure."""
        try:
            tokens = sample(logits, [s.row for s in group])
        except Exception as error:  # noqa: BLE001
            for sequence in group:
                self._fail(sequence, error)
            return
        for sequence, token in zip(group, tokens, strict=True):
            if token is None:
                self._forget(sequence)
                self._leave(sequence)
                self._end(sequence.job.id, "error", _NO_NUMBERS)
            else:
                self._accept(sequence, token)

    def _accept(self, sequence: Sequence, token: int) -> None:
        sequence.last = token
        sequence.n_generated += 1
        end = text = ""
        if token in self._loaded.eos_ids and not sequence.job.params.ignore_eos:
            end = "stop"
        else:
            text = sequence.text.push(token)
            end = "length" if sequence.n_generated >= sequence.limit else ""
        if end:
            text += sequence.text.flush()
            self._leave(sequence)
        self._outputs.append(StepOutput(sequence.job.id, text, 1, end or None, sequence.cached))

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        self._forget(sequence)
        self._leave(sequence)
        self._end(sequence.job.id, "error", _explained(error))

    def _forget(self, sequence: Sequence) -> None:
        """Clear the slot of a failed sequence: its keys and values may be wrong."""
        sequence.slot.tokens = []
        written = sequence.prefix + len(sequence.job.ids) + sequence.n_generated
        self._model.cache.clear(sequence.slot.index, written)

    def _leave(self, sequence: Sequence) -> None:
        if sequence.prefill is not None:
            sequence.prefill.close()
        del self._running[sequence.job.id]
        self._table.release(sequence.slot)

    def _end(self, job_id: int, end: str, error: str) -> None:
        self._outputs.append(StepOutput(job_id, "", 0, end, 0, error))


def _explained(error: Exception) -> str:
    """A message for users about why a request failed; the traceback goes to standard error."""
    traceback.print_exception(error, file=sys.stderr)
    if is_out_of_memory(error):
        return _NO_MEMORY
    return f"This reply failed in the model's worker ({type(error).__name__}: {error}). Try again, or start a new chat."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` means out of memory; torch's CPU allocator raises a plain RuntimeError."""
    words = ("not enough memory", "can't allocate memory", "out of memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )
