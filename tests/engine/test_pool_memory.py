"""What the page says of a model's memory is what the pool then does, whatever happened before."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.config import Settings
from app.engine.base import EngineFactory, LoadPlan
from app.engine.pool import ModelPool
from app.engine.scripted import ScriptedEngine, babble
from app.engine.templates.renderer import TemplateRenderer
from app.errors import NotEnoughMemory
from app.models.catalog import Catalog
from app.models.memory import MemoryBudget, MemoryEstimate, gpus, model_estimate
from app.models.memory.snapshot import Amount
from app.weights.formats.checkpoint import Checkpoint
from tests.support.fake_machine import FakeMachine
from tests.support.safetensors_files import write_llama

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("one_shipped")]
MIB = 1 << 20
SIZES_MIB = {"a": 100, "b": 200, "c": 350, "d": 500, "e": 800}
SLOTS, CACHE_MIB, PROCESS_MIB = 3, 40, 60


class House:
    """Five models of known sizes, one pool, and a machine that a test decides."""

    def __init__(self, store: Path, machine: FakeMachine, limit_mib: int, chance: random.Random) -> None:
        self.machine, self.limit, self.chance = machine, limit_mib * MIB, chance
        self.catalog = Catalog(store, context_tokens=256, slots=SLOTS, budget=MemoryBudget(self.limit, machine))
        settings = Settings(model_store=store, context_tokens=256, slots=SLOTS)
        self.pool = ModelPool(settings, self.catalog, {"torch": EngineFactory("torch", self.engine)})
        self.granted: dict[str, Amount] = {}  # to each model, when it was loaded last
        self.leases: dict[str, AsyncExitStack] = {}
        self.started = asyncio.Event()  # a worker has
        self.may_load = asyncio.Event()  # while it is not set, a model that loads does not come to its end

    def engine(self, plan: LoadPlan) -> ScriptedEngine:
        house, pid, estimate = self, self.chance.getrandbits(30), self.estimate(plan.manifest.id, plan.slots)
        self.granted[plan.manifest.id] = self.amount(estimate)
        ram = int(
            self.amount(estimate).ram * self.chance.choice((0.2, 0.7, 1.0))
        )  # the rest is mapped, or not used yet

        class Worker(ScriptedEngine):
            @property
            def pid(self) -> int | None:
                return pid

            async def start(self) -> None:
                house.machine.workers[pid] = Amount(ram // 2)
                house.started.set()
                await house.may_load.wait()
                vram = estimate.weights_bytes + estimate.kv_bytes if house.machine.gpu else 0
                house.machine.workers[pid] = Amount(ram, vram)

            async def stop(self) -> None:
                house.machine.workers.pop(pid, None)

        return Worker(babble(1, delay_ms=0), context_tokens=plan.context_tokens, slots=plan.slots)

    def estimate(self, model_id: str, slots: int) -> MemoryEstimate:
        estimate = self.catalog.memory(model_id)
        assert estimate is not None
        return estimate.with_slots(slots)

    def amount(self, estimate: MemoryEstimate) -> Amount:
        return Amount(estimate.ram_bytes, estimate.vram_bytes) if self.machine.gpu else Amount(estimate.total_bytes)

    def fits(self, model_id: str) -> bool | None:
        """As the page tells it."""
        return self.catalog.budget.snapshot().fits(self.catalog.memory(model_id), model_id)

    def should_fit(self, model_id: str) -> bool:
        """By what was granted: with one slot, beside other programs and the models in use."""
        if self.pool.state(model_id) in ("loaded", "loading"):
            return True
        in_use = [self.granted[model.model_id] for model in self.pool.snapshot() if model.leases]
        models = sum(in_use, self.amount(self.estimate(model_id, 1)))
        return (not self.limit or models.ram <= self.limit) and self.machine.total.covers(self.machine.others + models)

    async def check(self, model_id: str) -> None:
        """Page, pool and reckoning agree; what is granted never exceeds the machine and the limit."""
        said, expected = self.fits(model_id), self.should_fit(model_id)
        try:
            await self.pool.load(model_id)
        except NotEnoughMemory:
            assert (said, expected) == (False, False)
            return
        assert (said, expected) == (True, True)
        together = sum((self.granted[model.model_id] for model in self.pool.snapshot()), Amount())
        assert self.machine.total.covers(self.machine.others + together)
        assert not self.limit or together.ram <= self.limit

    async def lease(self, model_id: str) -> None:
        if model_id not in self.leases and self.fits(model_id):
            stack = self.leases[model_id] = AsyncExitStack()
            await stack.enter_async_context(self.pool.lease(model_id))

    async def give_back(self, model_id: str) -> None:
        if stack := self.leases.pop(model_id, None):
            await stack.aclose()

    async def check_while_loading(self, model_id: str, other: str) -> None:
        """`other` is asked for while `model_id` is half in memory."""
        if other == model_id or self.pool.state(model_id) != "unloaded" or not self.fits(model_id):
            return
        self.may_load.clear()
        self.started.clear()
        loading = asyncio.create_task(self.pool.load(model_id))
        await self.started.wait()
        said, expected, is_new = self.fits(other), self.should_fit(other), self.pool.state(other) == "unloaded"
        self.started.clear()
        asked = asyncio.create_task(self.pool.load(other))
        if said and is_new:
            await self.started.wait()
        if said:
            self.may_load.set()
        refused = (await asyncio.gather(asked, return_exceptions=True))[0]
        assert (said, expected) == (refused is None,) * 2, refused
        self.may_load.set()
        await loading


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in SIZES_MIB:
        write_llama(tmp_path / "weights" / name)

    def estimate(checkpoint: Checkpoint, _: str, *, slots: int, on_gpu: bool, **__: int) -> MemoryEstimate:
        weights, cache = SIZES_MIB[checkpoint.folder.name] * MIB, CACHE_MIB * MIB
        return MemoryEstimate(weights, cache, 1, slots, 0, PROCESS_MIB * MIB, keeps_prompts=False, on_gpu=on_gpu)

    monkeypatch.setattr(model_estimate, "estimate_torch", estimate)
    monkeypatch.setattr(TemplateRenderer, "warm_up", lambda _: None)  # these models have no chat templates
    return tmp_path


@pytest.mark.parametrize("limit_mib", [0, 900])
@pytest.mark.parametrize("device", ["cpu", "gpu", "gpu_unread"])
@pytest.mark.parametrize("seed", range(2))
async def test_page_and_pool_agree(
    store: Path, monkeypatch: pytest.MonkeyPatch, device: str, limit_mib: int, seed: int
) -> None:
    monkeypatch.setattr(gpus, "has_gpu", lambda: device != "cpu")
    chance = random.Random(seed)
    machine = FakeMachine(Amount(1600 * MIB, 1000 * MIB), gpu=device == "gpu")
    house = House(store, machine, limit_mib, chance)
    for _ in range(40):
        house.may_load.set()
        one, two = chance.choices(list(SIZES_MIB), k=2)
        match chance.randrange(6):
            case 0:  # other programs come and go, but never take what our models were granted
                granted = sum((house.granted[model.model_id] for model in house.pool.snapshot()), Amount())
                free = machine.total - granted
                machine.others = Amount(int(free.ram * chance.random()), int(free.vram * chance.random()))
            case 1:
                await house.lease(one)
            case 2:
                await house.give_back(one)
            case 3 if one not in house.leases:
                await house.pool.unload(one)
            case 4:
                await house.check_while_loading(one, two)
            case _:
                await house.check(one)
    for model_id in list(house.leases):
        await house.give_back(model_id)
    await house.pool.close()
    assert house.catalog.budget.promised_bytes == 0
    assert machine.workers == {}


async def test_one_look_at_the_machine_is_enough_for_all_models(store: Path) -> None:
    machine = FakeMachine(Amount(1600 * MIB))
    house = House(store, machine, 0, random.Random(0))
    memory = house.catalog.budget.snapshot()
    verdicts = [
        memory.fits(house.catalog.memory(model.id), model.id)
        for model in house.catalog.list()
        if model.engine == "torch"
    ]
    assert verdicts == [True] * len(SIZES_MIB)
    assert machine.readings == 1
    await house.pool.close()


async def test_the_pool_tells_how_much_of_a_loading_model_is_in_memory(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "has_gpu", lambda: False)
    house = House(store, FakeMachine(Amount(4000 * MIB)), 0, random.Random(1))
    loading = asyncio.create_task(house.pool.load("b"))
    await house.started.wait()
    share = house.pool.load_share("b")
    assert share is not None
    assert 0 < share < 1
    assert house.pool.any_loading()
    house.may_load.set()
    await loading
    assert (house.pool.load_share("b"), house.pool.any_loading()) == (None, False)
    await house.pool.close()
