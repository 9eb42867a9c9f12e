"""One request's trouble is its own: cancelled, failing, out of memory, or no numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from app.engine.torch.scheduler import is_out_of_memory  # noqa: E402
from tests.torch.engine import tiny  # noqa: E402
from tests.torch.engine.test_scheduler import NEW, VOCABULARY, WORDS, batch, generated, job, prompt  # noqa: E402
from tests.torch.engine.tiny import Batch, Loaded  # noqa: E402

GOOD, BAD = prompt(12, seed=1), prompt(30, seed=2)


class Failing(torch.nn.Module):
    """A model whose forward fails, or gives NaN, whenever the token `trigger` is among its ids."""

    def __init__(self, fault: Exception | None, trigger: int) -> None:
        super().__init__()
        self.model = tiny.llama(vocabulary=VOCABULARY)
        self.config = self.model.config
        self.set_attn_implementation = self.model.set_attn_implementation
        self.fault = fault
        self.trigger = trigger
        self.calls: list[int] = []  # rows of each

    def forward(self, input_ids: Any, position_ids: Any, cache: Any, **rest: Any) -> Any:
        self.calls.append(len(input_ids))
        guilty = (input_ids == self.trigger).any(-1)
        if guilty.any() and self.fault is not None:
            raise self.fault
        out = self.model(input_ids=input_ids, position_ids=position_ids, cache=cache, **rest)
        out.logits[guilty] = float("nan")
        return out


def failing(fault: Exception | None, trigger: int) -> tuple[Batch, Failing]:
    model = Failing(fault, trigger)
    return Batch(Loaded(model, WORDS)), model


OUT_OF_MEMORY = RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: not enough memory: you tried")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (OUT_OF_MEMORY, "ran out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "ran out of memory"),
        (MemoryError(), "ran out of memory"),
        (ValueError("a bad shape"), r"failed in the model's worker \(ValueError: a bad shape\)"),
        (None, "computed NaN"),
    ],
)
@pytest.mark.parametrize("when", ["reading", "decoding"])
def test_a_failing_request_ends_alone(fault: Exception | None, message: str, when: str) -> None:
    said = generated(BAD)
    spared = GOOD + generated(GOOD)
    trigger = BAD[-1] if when == "reading" else next(token for token in said if token not in BAD + spared)
    assert trigger not in spared
    together, model = failing(fault, trigger)
    together.scheduler.submit(job(0, GOOD))
    together.scheduler.step()
    together.run(job(1, BAD), job(2, GOOD))
    assert together.tokens[0] == together.tokens[2] == generated(GOOD)
    end = together.end(1)
    assert end.end == "error"
    assert re.search(message, end.error)
    assert together.tokens.get(1, []) == (said[: said.index(trigger) + 1] if when == "decoding" else [])
    together.run(job(3, BAD[:-1]), job(4, GOOD))  # the slot is as good as new
    assert together.tokens[4] == generated(GOOD)
    assert max(model.calls) >= 2


def test_nan_in_a_slot_does_not_reach_its_next_owner_or_its_neighbours() -> None:
    together = batch(n_slots=3)
    cache = together.scheduler._model.cache
    together.run(job(0, prompt(300)), job(1, GOOD))
    together.scheduler.submit(job(2, prompt(290, seed=9), max_new_tokens=50))
    together.scheduler.submit(job(3, GOOD))
    for _ in range(6):
        together.scheduler.step()
    running = together.scheduler._running[2]
    with torch.inference_mode():
        for store in cache._all():
            store[running.slot.index, :, 5] = float("nan")
    together.run()
    assert "computed NaN" in together.end(2).error
    assert together.tokens[3] == generated(GOOD)
    together.run(job(4, GOOD), job(5, BAD), job(6, prompt(3)))
    assert [together.tokens[n] for n in (4, 5, 6)] == [generated(GOOD), generated(BAD), generated(prompt(3))]


@pytest.mark.usefixtures("piece_by_piece")
def test_cancelling_takes_one_step_wherever_the_request_is() -> None:
    together = batch(n_slots=2, context_tokens=1500)
    scheduler = together.scheduler
    scheduler.submit(job(0, GOOD, max_new_tokens=1000))
    scheduler.step()
    scheduler.submit(job(1, prompt(1000)))  # being read
    scheduler.submit(job(2, BAD))  # waits for a slot
    scheduler.step()
    assert scheduler.busy == 3
    for number in (0, 1, 2):
        scheduler.cancel(number)
    told = len(together.outputs)
    scheduler.step()
    assert scheduler.busy == 0
    assert len(together.outputs) == told
    scheduler.cancel(1)  # it has ended already
    together.run(job(3, prompt(1000)))
    assert together.of(3)[0].cached_tokens == 128  # what had been read of it
    assert together.tokens[3] == generated(prompt(1000))


def test_a_prefill_ends_at_the_layer_after_its_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    together = batch()
    scheduler, cache = together.scheduler, together.scheduler._model.cache
    computed: list[int] = []
    update = cache.update

    def cancelled_meanwhile(keys: Any, values: Any, layer: int, **rest: Any) -> Any:
        computed.append(layer)
        stored = update(keys, values, layer, **rest)
        scheduler.cancel(1)
        return stored

    with monkeypatch.context() as patch:
        patch.setattr(cache, "update", cancelled_meanwhile)
        scheduler.submit(job(1, prompt(100)))
        scheduler.step()
    assert computed == [0, 1]  # of three layers; the second finds out
    assert scheduler.busy == 0
    assert not together.outputs
    together.run(job(2, prompt(100)))
    assert together.tokens[2] == generated(prompt(100))


def test_cancelling_disturbs_nobody() -> None:
    together = batch()
    for number, ids in enumerate((GOOD, BAD, prompt(40))):
        together.scheduler.submit(job(number, ids))
    for _ in range(5):
        together.scheduler.step()
    together.scheduler.cancel(1)
    together.run()
    assert [together.tokens[n] for n in (0, 2)] == [generated(GOOD), generated(prompt(40))]
    assert len(together.tokens[1]) < NEW


def test_what_is_out_of_memory_and_what_is_not() -> None:
    assert is_out_of_memory(OUT_OF_MEMORY)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    assert not is_out_of_memory(ValueError("not enough memory"))
