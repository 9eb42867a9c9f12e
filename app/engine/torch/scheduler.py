"""Continuous batching: requests come and go between two steps, and each step gives every running reply one token.

A step takes what has arrived, reads pieces of prompts for a bounded time, decodes all running replies in one forward
pass (one for each adapter), and sends all that is new at once. A request that fails ends alone.
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
from app.engine.torch.frames import News
from app.engine.torch.sampling import Row, sample
from app.engine.torch.sequences import PAUSE_S, GenerationJob, Pace, Sequence
from app.engine.torch.slot_model import SlotModel
from app.engine.torch.slot_table import Place, SlotTable

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
    """Runs a model's batch in the thread that calls :meth:`run`. ``submit``, ``cancel`` and ``busy`` are for any."""

    def __init__(
        self, loaded: Loaded, *, n_slots: int, context_tokens: int, emit: Callable[[list[News]], None]
    ) -> None:
        """`emit` is called with the news of each step; it may be replaced between two.

        Raises :class:`ValueError` where the model cannot be batched.
        """
        self._loaded = loaded
        self._context_tokens = context_tokens
        self.emit = emit
        self._model = SlotModel(loaded, n_slots, context_tokens)
        self._table = SlotTable(n_slots, reuses_prompts=self._model.reuses_prompts)
        self._inbox: SimpleQueue[GenerationJob | int] = SimpleQueue()  # a number: cancel that job
        self._waiting: deque[GenerationJob] = deque()
        self._running: dict[int, Sequence] = {}
        self._pace = Pace()
        self._news: list[News] = []

    @property
    def busy(self) -> int:
        """Requests that are being computed, or wait for that."""
        return len(self._running) + len(self._waiting)

    def submit(self, job: GenerationJob) -> None:
        """Let `job` begin with the next step."""
        self._inbox.put(job)

    def cancel(self, job_id: int) -> None:
        """End that job with the next step; nothing more is told of it. Nothing happens if it has ended."""
        self._inbox.put(job_id)

    def run(self) -> None:
        """Step for ever."""
        while True:
            if not self.busy:
                self._take(self._inbox.get())
            self.step()

    @torch.inference_mode()
    def step(self) -> None:
        """One step of all that runs."""
        self._take_arrived()
        self._place_waiting()
        self._read()
        self._decode()
        news, self._news = self._news, []
        if news:
            self.emit(news)

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
        elif item in self._running:
            self._leave(self._running[item])
        else:
            self._waiting = deque(job for job in self._waiting if job.id != item)

    def _place_waiting(self) -> None:
        while self._waiting:
            job = self._waiting[0]
            place = self._table.take(job.ids, job.adapter)
            if place is None:
                return
            self._waiting.popleft()
            try:
                self._running[job.id] = self._begun(job, place)
            except Exception as error:  # noqa: BLE001
                place.slot.tokens = []
                self._table.release(place.slot)
                self._end(job.id, "error", _explained(error))

    def _begun(self, job: GenerationJob, place: Place) -> Sequence:
        """`job` in its slot, with what that or another slot holds of its prompt already."""
        slot = place.slot
        prefix = self._model.begin(slot.index, job.adapter)
        if place.source is not slot and place.cached:
            self._model.cache.copy(place.source.index, slot.index, prefix + place.cached)
        slot.adapter, slot.tokens = job.adapter, job.ids[: place.cached]
        positions = self._model.positions(job.ids)
        return Sequence(
            job=job,
            slot=slot,
            cached=place.cached,
            prefix=prefix,
            positions=None if positions is None else positions[:, -1:],
            row=Row(job.params, job.ids, self._loaded.eos_ids),
            text=Detokenizer(self._loaded.tokenizer),
            limit=min(job.params.max_new_tokens, self._context_tokens - len(job.ids)),
            reading=self._model.read(
                slot.index,
                job.ids,
                cached=place.cached,
                prefix=prefix,
                positions=positions,
                adapter=job.adapter,
                chunk=self._pace.piece,
            ),
        )

    def _read(self) -> None:
        """Pieces of prompts, as long as those who are decoding may wait: a decoding step costs more than a layer."""
        until = time.perf_counter() + PAUSE_S
        while self._read_piece() and time.perf_counter() < until:
            pass

    def _read_piece(self) -> bool:
        """A piece of the prompt that has the least left: the sooner it is done, the fewer wait. False: none is read."""
        reading = [sequence for sequence in self._running.values() if sequence.reading is not None]
        if not reading:
            return False
        sequence = min(reading, key=lambda s: s.unread)
        assert sequence.reading is not None
        self._pace.others_wait = len(reading) < len(self._running)
        self._pace.begin()
        slot, ids = sequence.slot, sequence.job.ids
        try:
            n_read = next(sequence.reading)
        except StopIteration as done:
            self._pace.end(sequence.unread)
            sequence.reading = None
            slot.tokens = list(ids)
            self._choose([sequence], done.value)
        except Exception as error:  # noqa: BLE001
            self._fail(sequence, error)
        else:
            self._pace.end(n_read)
            slot.tokens = ids[: len(slot.tokens) + n_read]
        return True

    def _decode(self) -> None:
        for group in self._groups():
            self._advance(group)

    def _groups(self) -> list[list[Sequence]]:
        """Those who are decoded now, by adapter, in the order of their slots; not who has just got a first token."""
        groups: defaultdict[str | None, list[Sequence]] = defaultdict(list)
        told = {news.id for news in self._news}
        for sequence in sorted(self._running.values(), key=lambda s: s.slot.index):
            if sequence.reading is None and sequence.job.id not in told:
                groups[sequence.job.adapter].append(sequence)
        return list(groups.values())

    def _advance(self, group: list[Sequence]) -> None:
        """One token for each of `group`; if that fails, one after the other, to find out who is to blame."""
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
        for sequence, place in zip(group, positions, strict=True):
            sequence.positions = place
            sequence.slot.tokens.append(sequence.last)
        self._choose(group, logits)

    def _choose(self, group: list[Sequence], logits: torch.Tensor) -> None:
        """Sample each row of `logits` [b, V] and tell what came of it."""
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
        self._news.append(News(sequence.job.id, text, 1, end or None, sequence.cached))

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        self._forget(sequence)
        self._leave(sequence)
        self._end(sequence.job.id, "error", _explained(error))

    def _forget(self, sequence: Sequence) -> None:
        """What a failed sequence left in its slot is not to be trusted."""
        sequence.slot.tokens = []
        written = sequence.prefix + len(sequence.job.ids) + sequence.n_generated
        self._model.cache.clear(sequence.slot.index, written)

    def _leave(self, sequence: Sequence) -> None:
        if sequence.reading is not None:
            sequence.reading.close()
        del self._running[sequence.job.id]
        self._table.release(sequence.slot)

    def _end(self, job_id: int, end: str, error: str) -> None:
        self._news.append(News(job_id, "", 0, end, 0, error))


def _explained(error: Exception) -> str:
    """Why a request failed, for people; all of it goes to standard error."""
    traceback.print_exception(error, file=sys.stderr)
    if is_out_of_memory(error):
        return _NO_MEMORY
    return f"This reply failed in the model's worker ({type(error).__name__}: {error}). Try again, or start a new chat."


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says so; torch's allocator for CPUs raises a plain RuntimeError."""
    words = ("not enough memory", "can't allocate memory", "out of memory")
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )
