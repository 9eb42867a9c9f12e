"""What models may take, worked out by hand. That page and pool agree on it: tests/engine/test_pool_memory.py."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.errors import NotEnoughMemory
from app.models.memory import MemoryBudget, MemoryEstimate
from app.models.memory.snapshot import Amount
from tests.support.fake_machine import FakeMachine

TOTAL = 1000


@dataclass(eq=False)
class Holder:
    """A model that is loaded, and in use by nobody."""

    model_id: str
    pid: int | None = None
    loaded: bool = True
    in_use: bool = False


def estimate(weights: int, *, cache: int = 0, slots: int = 1, process: int = 0, gpu: bool = False) -> MemoryEstimate:
    """Of `weights`, and of `cache` for each slot."""
    return MemoryEstimate(weights, cache, 1, slots, 0, process, keeps_prompts=False, on_gpu=gpu)


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine(Amount(TOTAL, 500))


@pytest.fixture
def budget(machine: FakeMachine) -> MemoryBudget:
    return MemoryBudget(machine=machine)


def fitting(budget: MemoryBudget) -> int:
    """The largest model that fits."""
    snapshot = budget.snapshot()
    return max(size for size in range(TOTAL + 1) if snapshot.fits(estimate(size)))


def test_other_programs_count_at_once(budget: MemoryBudget, machine: FakeMachine) -> None:
    assert fitting(budget) == 1000
    machine.others = Amount(300)
    assert fitting(budget) == 700
    machine.others = Amount(100)
    assert fitting(budget) == 900


def test_a_model_counts_once_while_it_loads_and_afterwards(budget: MemoryBudget, machine: FakeMachine) -> None:
    holder = Holder("one", pid=7, in_use=True, loaded=False)
    budget.promise(holder, estimate(400))
    for resident in (0, 100, 390):  # the kernel sees more and more of it
        machine.workers[7] = Amount(resident)
        assert fitting(budget) == 600
    holder.loaded = True
    assert fitting(budget) == 600
    machine.workers[7] = Amount(450)  # more than it was thought to take
    assert fitting(budget) == 550
    del machine.workers[7]
    assert fitting(budget) == 600  # it died, and is going to be started again
    budget.release(holder)
    assert fitting(budget) == 1000


def test_mapped_weights_are_promised_though_the_kernel_calls_them_available(
    budget: MemoryBudget, machine: FakeMachine
) -> None:
    budget.promise(Holder("one", pid=7, in_use=True), estimate(400))
    machine.workers[7] = Amount(20)  # the rest are pages of files
    assert machine.memory().ram.available_bytes == 980
    assert fitting(budget) == 600


def test_idle_models_can_be_unloaded_and_a_loaded_one_fits(budget: MemoryBudget, machine: FakeMachine) -> None:
    budget.promise(Holder("idle", pid=7), estimate(500))
    budget.promise(Holder("busy", pid=8, in_use=True), estimate(300))
    machine.workers |= {7: Amount(500), 8: Amount(250)}
    assert fitting(budget) == 700
    now = budget.snapshot()
    assert now.free_bytes == 700
    assert now.to_unload(estimate(200)) == frozenset()
    assert now.to_unload(estimate(201)) == {"idle"}
    assert now.fits(estimate(9999), "busy") is True
    assert now.fits(estimate(9999)) is False
    assert now.fits(None) is None


def test_the_limit_is_for_all_models_together(machine: FakeMachine) -> None:
    budget = MemoryBudget(400, machine)
    assert fitting(budget) == 400
    budget.promise(Holder("busy", pid=7, in_use=True), estimate(150))
    machine.workers[7] = Amount(150)
    assert fitting(budget) == 250
    machine.others = Amount(800)
    assert fitting(budget) == 50  # the machine has less than the limit
    assert budget.snapshot().ram.total_bytes == 400


def test_fewer_slots_are_granted_before_a_model_is_refused(budget: MemoryBudget, machine: FakeMachine) -> None:
    machine.others = Amount(500)
    now = budget.snapshot()
    granted = now.granted(estimate(200, cache=90, slots=4))
    assert granted is not None
    assert granted.slots == 3
    assert now.granted(estimate(450, cache=90, slots=4)) is None
    assert budget.could_hold(estimate(640, cache=90, slots=4))  # if nothing else needed the memory
    assert not budget.could_hold(estimate(641, cache=90, slots=4))


# A GPU


@pytest.fixture
def on_gpu(machine: FakeMachine) -> MemoryBudget:
    machine.gpu = True
    return MemoryBudget(machine=machine)


def test_a_model_on_a_gpu_needs_its_memory_and_a_process_in_ram(on_gpu: MemoryBudget, machine: FakeMachine) -> None:
    wanted = estimate(400, cache=50, slots=2, process=100, gpu=True)
    assert on_gpu.snapshot().fits(wanted)
    machine.others = Amount(vram=50)
    assert on_gpu.snapshot().granted(wanted) == wanted.with_slots(1)
    machine.others = Amount(ram=901)
    assert not on_gpu.snapshot().fits(wanted)
    machine.others = Amount(vram=100)
    assert not on_gpu.snapshot().fits(wanted)
    assert on_gpu.snapshot().fits(estimate(1000))  # one in RAM does not mind
    assert not on_gpu.could_hold(estimate(501, gpu=True))


def test_what_is_loaded_on_a_gpu_counts_once(on_gpu: MemoryBudget, machine: FakeMachine) -> None:
    holder = Holder("one", pid=7, in_use=True, loaded=False)
    on_gpu.promise(holder, estimate(200, cache=50, slots=2, process=100, gpu=True))
    assert on_gpu.snapshot().free == Amount(900, 200)
    holder.loaded, machine.workers[7] = True, Amount(80, 300)
    assert on_gpu.snapshot().free == Amount(900, 200)
    holder.in_use = False
    assert on_gpu.snapshot().free == Amount(1000, 500)


def test_what_holds_the_memory_that_is_lacking_is_unloaded(on_gpu: MemoryBudget, machine: FakeMachine) -> None:
    on_gpu.promise(Holder("gpu", pid=7), estimate(400, process=100, gpu=True))
    on_gpu.promise(Holder("cpu", pid=8), estimate(500))
    machine.workers |= {7: Amount(100, 400), 8: Amount(500)}
    now = on_gpu.snapshot()
    assert now.to_unload(estimate(150, process=50, gpu=True)) == {"gpu"}
    assert now.to_unload(estimate(500)) == {"gpu", "cpu"}


def test_a_gpu_that_cannot_be_read_is_counted_in_ram(budget: MemoryBudget, machine: FakeMachine) -> None:
    assert budget.snapshot().free_vram_bytes is None
    assert budget.snapshot().fits(estimate(900, process=100, gpu=True))
    assert not budget.snapshot().fits(estimate(901, process=100, gpu=True))


# Refusals


def test_a_refusal_tells_what_is_missing_and_what_to_do(on_gpu: MemoryBudget, machine: FakeMachine) -> None:
    mib = 1 << 20
    machine.total = Amount(1000 * mib, 500 * mib)

    def refused(wanted: MemoryEstimate) -> NotEnoughMemory:
        return on_gpu.snapshot().refusal("two", wanted)

    gpu = refused(estimate(600 * mib, process=mib, gpu=True))
    assert "needs 600 MiB of GPU memory, but only 500 MiB are free" in gpu.message
    assert "close other programs" in gpu.message
    on_gpu.limit_bytes = 800 * mib
    assert "raise PARLEY_MEMORY_LIMIT_MIB" in refused(estimate(900 * mib)).message
    on_gpu.promise(Holder("busy", in_use=True), estimate(300 * mib))
    assert "in use: busy" in refused(estimate(600 * mib)).message
    details = refused(estimate(600 * mib, cache=mib, slots=4)).details
    assert details == {"model_id": "two", "needed_bytes": 601 * mib, "available_bytes": 500 * mib}


def test_how_much_of_a_loading_model_is_in_memory(budget: MemoryBudget, machine: FakeMachine) -> None:
    holder = Holder("one", loaded=False)
    assert budget.load_share(holder) is None  # nothing is promised yet
    budget.promise(holder, estimate(400, cache=100))
    assert budget.load_share(holder) is None  # its worker has not started
    holder.pid = 7
    shares = []
    for resident in (0, 101, 399, 600):
        machine.workers[7] = Amount(resident)
        shares.append(budget.load_share(holder))
    assert shares == [0, 0.25, 0.99, 0.99]
    on_gpu = Holder("two", pid=7, loaded=False)
    budget.promise(on_gpu, estimate(400, gpu=True))
    assert budget.load_share(on_gpu) is None
