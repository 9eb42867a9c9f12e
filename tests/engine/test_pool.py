from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from app.config import Settings
from app.domain.generation import Admitted, Delta, Finished, Queued
from app.domain.messages import Role, Turn
from app.engine.base import EngineFactory, LoadPlan
from app.engine.factories import collect, find_factories
from app.engine.llama_cpp.engine import LlamaCppEngine
from app.engine.pool import LoadedModel, ModelPool
from app.engine.scripted import Reply, ScriptedEngine, babble, rules
from app.errors import (
    ConfigurationError,
    DamagedWeights,
    MissingExtra,
    ModelBusy,
    ModelNotFetched,
    ModelNotFound,
    NotEnoughMemory,
    QueueFull,
    UnsupportedRequest,
    WorkerDied,
    WorkerFailed,
)
from app.models.catalog import Catalog
from tests.engine.engine_contract import QUESTION, request

pytestmark = pytest.mark.anyio
MIB = 1 << 20
USER = [Turn(Role.USER, QUESTION)]


@dataclass
class Workshop:
    """Builds scripted engines in llama.cpp's place and keeps them to be looked at."""

    built: list[tuple[LoadPlan, ScriptedEngine]] = field(default_factory=list)
    start_delay_s: float = 0.0
    stop_delay_s: float = 0.0
    failures: int = 0  # so many starts fail

    def build(self, plan: LoadPlan) -> ScriptedEngine:
        workshop = self

        class Engine(ScriptedEngine):
            async def start(self) -> None:
                await asyncio.sleep(workshop.start_delay_s)
                if workshop.failures:
                    workshop.failures -= 1
                    raise WorkerFailed("as told")
                await super().start()

            async def stop(self) -> None:
                await asyncio.sleep(workshop.stop_delay_s)
                await super().stop()

        script = rules(("die", Reply((), fault=WorkerDied("killed"))), otherwise=babble(20, delay_ms=1))
        engine = Engine(script, context_tokens=plan.context_tokens, slots=plan.slots)
        self.built.append((plan, engine))
        return engine

    def loaded(self) -> list[str]:
        return [plan.manifest.id for plan, engine in self.built if engine.alive]


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


MakePool = Callable[..., ModelPool]


@pytest.fixture
def make_pool(default_weights: Path, tmp_path: Path, workshop: Workshop) -> MakePool:
    """A pool over three models that are all the default model's file, and some that cannot be loaded."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    for name in ("one", "two", "three"):
        source = f'[source]\nkind = "folder"\npath = "{default_weights.parent}"\n'
        files = f'[[files]]\npath = "{default_weights.name}"\n'
        (manifests / f"{name}.toml").write_text(
            f'id = "{name}"\ntitle = "{name}"\nengine = "llama_cpp"\n{source}{files}'
        )
    gone = '[source]\nkind = "folder"\npath = "weights/gone"\n[[files]]\npath = "x.gguf"\nsize_bytes = 5\n'
    (manifests / "gone.toml").write_text(f'id = "gone"\ntitle = "Gone"\nengine = "llama_cpp"\n{gone}')
    bad = tmp_path / "weights" / "bad"
    bad.mkdir(parents=True)
    (bad / "x.gguf").write_bytes(b"GGUF and nothing more")
    (manifests / "bad.toml").write_text(
        f'id = "bad"\ntitle = "Bad"\nengine = "llama_cpp"\n{gone.replace("gone", "bad").replace("size_bytes = 5", "")}'
    )
    torch = '[source]\nkind = "folder"\npath = "weights/torch"\n'
    (manifests / "torch.toml").write_text(f'id = "torchy"\ntitle = "Torch"\nengine = "torch"\n{torch}')
    (manifests / "play.toml").write_text('id = "play"\ntitle = "Play"\nengine = "scripted"\n')

    def make(real: bool = False, **settings: object) -> ModelPool:
        chosen = Settings(model_store=tmp_path, **{"context_tokens": 512, "slots": 2, **settings})  # type: ignore[arg-type]
        factories = dict(find_factories())
        if not real:
            factories["llama_cpp"] = EngineFactory("llama_cpp", workshop.build)
            missing = ("no_such_module",)  # as where the extra is not installed
            factories["torch"] = EngineFactory("torch", workshop.build, extra="torch", requires=missing)
        return ModelPool(chosen, Catalog.from_settings(chosen), factories)

    return make


async def need_mib(make_pool: MakePool) -> int:
    """What one model is promised, rounded up."""
    pool = make_pool()
    async with pool.lease("one"):
        need = pool.snapshot()[0].memory_bytes
    await pool.close()
    return need // MIB + 1


async def test_a_lease_gives_a_model_that_works(make_pool: MakePool) -> None:
    pool = make_pool()
    assert pool.state("one") == "unloaded"
    async with pool.lease("one") as model:
        assert pool.state("one") == "loaded"
        assert model.manifest.id == "one"
        assert len(model.digest) == 64
        assert model.capabilities.context_tokens == 512
        with model.admit("me") as ticket:
            events = [e async for e in model.generate(request(await model.render(USER)), ticket)]
        assert isinstance(events[0], Admitted)
        assert isinstance(events[1], Delta)
        assert isinstance(events[-1], Finished)
        assert model.queue.running == 0
    await pool.close()


async def test_many_who_want_one_model_load_it_once(make_pool: MakePool, workshop: Workshop) -> None:
    pool = make_pool()
    workshop.start_delay_s = 0.05

    async def use() -> LoadedModel:
        async with pool.lease("one") as model:
            return model

    impatient = asyncio.create_task(use())
    users = [asyncio.create_task(use()) for _ in range(10)]
    await asyncio.sleep(0.01)
    assert pool.state("one") == "loading"
    impatient.cancel()  # takes nothing from the others
    models = await asyncio.gather(*users)
    assert len({id(model) for model in models}) == 1
    assert len(workshop.built) == 1
    assert pool.snapshot()[0].leases == 0
    await pool.close()


async def test_the_one_unused_for_longest_is_unloaded(make_pool: MakePool, workshop: Workshop) -> None:
    pool = make_pool(memory_limit_mib=2 * await need_mib(make_pool))
    workshop.built.clear()
    for name in ("one", "two", "one", "three"):
        async with pool.lease(name):
            pass
    assert workshop.loaded() == ["one", "three"]
    assert (pool.state("one"), pool.state("two"), pool.state("three")) == ("loaded", "unloaded", "loaded")
    assert 0 < pool.budget.promised_bytes <= pool.budget.limit_bytes
    await pool.close()
    assert workshop.loaded() == []


async def test_a_model_in_use_is_never_unloaded(make_pool: MakePool, workshop: Workshop) -> None:
    need = await need_mib(make_pool)
    pool = make_pool(memory_limit_mib=need)
    workshop.built.clear()
    async with pool.lease("one"):
        with pytest.raises(NotEnoughMemory, match="in use: one") as refused:
            async with pool.lease("two"):
                pass
        assert int(str(refused.value.details["needed_bytes"])) > int(str(refused.value.details["available_bytes"]))
        assert pool.state("two") == "failed"
        assert pool.error("two") is refused.value
        with pytest.raises(ModelBusy):
            await pool.unload("one")
    async with pool.lease("two"):
        assert workshop.loaded() == ["two"]
    assert pool.error("two") is None
    await pool.unload("two")
    await pool.unload("two")
    assert workshop.loaded() == []
    await pool.close()


async def test_fewer_slots_are_granted_before_a_model_is_refused(make_pool: MakePool, workshop: Workshop) -> None:
    pool = make_pool(slots=4, memory_limit_mib=await need_mib(make_pool))
    async with pool.lease("one") as model:
        assert 1 <= model.capabilities.slots < 4
    await pool.close()
    tiny = make_pool(memory_limit_mib=100)
    with pytest.raises(NotEnoughMemory, match="PARLEY_MEMORY_LIMIT_MIB"):
        async with tiny.lease("one"):
            pass
    await tiny.close()


@pytest.mark.parametrize(
    ("model_id", "error"),
    [("nope", ModelNotFound), ("gone", ModelNotFetched), ("bad", DamagedWeights), ("torchy", MissingExtra)],
)
async def test_models_that_cannot_be_leased(make_pool: MakePool, model_id: str, error: type[Exception]) -> None:
    pool = make_pool()
    for _ in range(2):  # and again: nothing is left behind
        with pytest.raises(error):
            async with pool.lease(model_id):
                pass
    assert pool.snapshot() == []
    await pool.close()


async def test_a_failed_load_is_tried_again(make_pool: MakePool, workshop: Workshop) -> None:
    pool = make_pool()
    workshop.failures = 1
    with pytest.raises(WorkerFailed):
        await pool.load("one")
    assert pool.state("one") == "failed"
    assert pool.budget.promised_bytes == 0
    await pool.load("one")
    assert pool.state("one") == "loaded"
    await pool.close()


async def test_a_worker_that_died_is_started_again(make_pool: MakePool, workshop: Workshop) -> None:
    pool = make_pool()
    async with pool.lease("one") as model:
        deadly = await model.render([Turn(Role.USER, "die")])
        with model.admit("me") as ticket, pytest.raises(WorkerDied):
            [e async for e in model.generate(request(deadly), ticket)]
        assert model.queue.running == 0
        with model.admit("me") as ticket:
            prompt = await model.render(USER)
            assert isinstance([e async for e in model.generate(request(prompt), ticket)][-1], Finished)
        assert model.restarts == 1
        assert pool.snapshot()[0].restarts == 1
    await pool.close()


async def test_memory_is_freed_though_the_next_idle_model_is_leased(make_pool: MakePool, workshop: Workshop) -> None:
    pool = make_pool(memory_limit_mib=2 * await need_mib(make_pool), slots=2)
    for name in ("one", "two"):
        await pool.load(name)
    workshop.stop_delay_s = 0.1
    pool.budget.limit_bytes //= 2  # so that both must go
    loading = asyncio.create_task(pool.load("three"))
    await asyncio.sleep(0.05)  # the first is being unloaded
    async with pool.lease("two"):
        with pytest.raises(NotEnoughMemory):
            await loading
    await pool.close()


async def test_weights_replaced_while_loaded_are_not_started_again(
    make_pool: MakePool, tmp_path: Path, default_weights: Path
) -> None:
    pool, weights = make_pool(), await asyncio.to_thread(default_weights.read_bytes)
    target = tmp_path / "weights" / "mine.gguf"
    target.hardlink_to(default_weights)
    changed = tmp_path / "changed"
    changed.write_bytes(weights[:-1] + b"!")
    async with pool.lease("mine") as model:
        changed.replace(target)
        await model.render(USER)
        await model.engine.stop()
        with pytest.raises(DamagedWeights, match="Unload it"):
            await model.render(USER)
    await pool.unload("mine")
    async with pool.lease("mine") as model:
        assert await model.render(USER)
    await pool.close()


async def test_the_queue_stands_in_front(make_pool: MakePool) -> None:
    pool = make_pool(slots=1, max_waiting=1)
    async with pool.lease("one") as model:
        prompt = await model.render(USER)
        first, second = model.admit("a"), model.admit("b")
        with pytest.raises(QueueFull):
            model.admit("c")
        running = model.generate(request(prompt), first)
        assert isinstance(await anext(running), Admitted)
        waiting = model.generate(request(prompt), second)
        assert await anext(waiting) == Queued(1)
        snapshot = pool.snapshot()[0]
        assert (snapshot.running, snapshot.waiting, snapshot.slots) == (1, 1, 1)
        await running.aclose()
        assert isinstance(await anext(waiting), Admitted)
        await waiting.aclose()
        assert model.queue.running == 0
    await pool.close()


async def test_unknown_adapters_are_refused(make_pool: MakePool) -> None:
    pool = make_pool()
    async with pool.lease("one") as model:
        wanted = request(await model.render(USER))
        asked = type(wanted)(wanted.id, wanted.prompt, wanted.sampling, adapter="none")
        with pytest.raises(UnsupportedRequest):
            [e async for e in model.generate(asked, model.admit("a"))]
        assert model.queue.running == 0
    await pool.close()


async def test_closing_ends_what_is_being_loaded(make_pool: MakePool, workshop: Workshop) -> None:
    pool = make_pool()
    workshop.start_delay_s = 30
    loading = asyncio.create_task(pool.load("one"))
    await asyncio.sleep(0.2)
    await asyncio.wait_for(pool.close(), 1)
    with pytest.raises(WorkerFailed, match="shutting down"):
        await loading
    with pytest.raises(WorkerFailed, match="shutting down"):
        await pool.load("two")


async def test_a_model_without_weights(make_pool: MakePool) -> None:
    pool = make_pool()
    async with pool.lease("play") as model:
        with model.admit("a") as ticket:
            events = [e async for e in model.generate(request(await model.render([Turn(Role.USER, "Hi you")])), ticket)]
    assert "".join(e.text for e in events if isinstance(e, Delta)) == "You said: Hi you"
    await pool.close()


async def test_two_real_models_side_by_side_and_one_killed(make_pool: MakePool) -> None:
    pool = make_pool(real=True, threads=1)

    async def count(model: LoadedModel, n: int) -> int:
        prompt = await model.render(USER)
        with model.admit("a") as ticket:
            events = [e async for e in model.generate(request(prompt, max_new_tokens=n, ignore_eos=True), ticket)]
        return events[-1].usage.completion_tokens if isinstance(events[-1], Finished) else 0

    async with pool.lease("one") as one, pool.lease("two") as two:
        assert await asyncio.gather(count(one, 20), count(two, 20)) == [20, 20]
        assert isinstance(one.engine, LlamaCppEngine)
        other = asyncio.create_task(count(two, 60))
        doomed = asyncio.create_task(count(one, 400))
        await asyncio.sleep(0.3)
        os.kill(one.engine.pid or 0, signal.SIGKILL)
        with pytest.raises(WorkerDied):
            await doomed
        assert await count(one, 3) == 3
        assert await other == 60
    await pool.close()


async def test_a_death_that_nobody_noticed_is_nobodys_error(make_pool: MakePool) -> None:
    pool = make_pool(real=True)
    async with pool.lease("one") as model:
        assert isinstance(model.engine, LlamaCppEngine)
        os.kill(model.engine.pid or 0, signal.SIGKILL)
        assert model.engine.alive  # as far as is known
        assert (await model.render(USER)).n_tokens > 0
        assert model.restarts == 1
    await pool.close()


def test_engines_are_found_and_doubles_are_told() -> None:
    assert {"llama_cpp", "openai", "scripted"} <= set(find_factories())
    first, second = ModuleType("first"), ModuleType("second")
    first.__file__, second.__file__ = "first.py", "second.py"
    for module in (first, second):
        module.ENGINE = EngineFactory("same", ScriptedEngine)  # type: ignore[attr-defined, arg-type]
    with pytest.raises(ConfigurationError, match=r"first\.py.*second\.py"):
        collect([first, second])
