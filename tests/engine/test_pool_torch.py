"""One loaded model per base and quantization, whatever adapters are asked of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from app.config import Settings
from app.engine.base import Capabilities, EngineFactory, LoadPlan
from app.engine.pool import ModelPool
from app.engine.scripted import ScriptedEngine, babble
from app.errors import DamagedWeights, MissingExtra, ModelBusy, ModelNotFound, UnsupportedRequest
from app.models.catalog import Catalog
from tests.support.safetensors_files import write_llama, write_lora

pytestmark = pytest.mark.anyio
QKV = {"model.layers.0.self_attn.q_proj": (8, 8)}


class Engine(ScriptedEngine):
    """Has the adapters that its plan names."""

    def __init__(self, plan: LoadPlan) -> None:
        super().__init__(babble(5, delay_ms=0), context_tokens=plan.context_tokens, slots=plan.slots)
        self.plan = plan

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.plan.context_tokens, self.plan.slots, tuple(self.plan.adapters))


class Deaf(Engine):
    """Knows no adapters."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.plan.context_tokens, self.plan.slots)


MakePool = Callable[..., tuple[ModelPool, list[LoadPlan]]]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_llama(tmp_path / "weights" / "tiny")
    write_lora(tmp_path / "adapters" / "polite", "x/tiny", QKV)
    write_lora(tmp_path / "adapters" / "bad", "x/tiny", {"model.layers.0.self_attn.q_proj": (4, 4)})
    return tmp_path


@pytest.fixture
def make_pool(store: Path) -> MakePool:
    def make(engine: type[Engine] = Engine, **factory: object) -> tuple[ModelPool, list[LoadPlan]]:
        built: list[LoadPlan] = []

        def build(plan: LoadPlan) -> Engine:
            built.append(plan)
            return engine(plan)

        settings = Settings(model_store=store, context_tokens=256, slots=2)
        factories = {"torch": EngineFactory("torch", build, **factory)}  # type: ignore[arg-type]
        return ModelPool(settings, Catalog.from_settings(settings), factories), built

    return make


async def test_adapters_and_the_usual_quantization_share_one_model(make_pool: MakePool, store: Path) -> None:
    pool, built = make_pool()
    models = []
    for reference in ("tiny", "tiny@none", "tiny+polite", "tiny@none+polite"):
        async with pool.lease(reference) as model:
            models.append(model)
    assert len(built) == 1
    assert all(model is models[0] for model in models)
    plan = built[0]
    assert (plan.quantization, plan.weights, plan.manifest.id) == ("none", store / "weights" / "tiny", "tiny")
    assert plan.adapters == {"polite": store / "adapters" / "polite"}
    assert plan.cache_dir == store / "cache"
    await pool.unload("tiny+polite")
    assert pool.state("tiny") == "unloaded"
    await pool.close()


async def test_another_quantization_is_another_model(make_pool: MakePool) -> None:
    pool, built = make_pool()
    async with pool.lease("tiny@nf4+polite") as four, pool.lease("tiny") as usual:
        assert four is not usual
        assert (four.manifest.id, four.quantization) == ("tiny@nf4", "nf4")
        assert four.digest == usual.digest
        assert {s.model_id: s.memory_bytes > 0 for s in pool.snapshot()} == {"tiny@nf4": True, "tiny": True}
    assert [plan.quantization for plan in built] == ["nf4", "none"]
    assert (pool.state("tiny@nf4"), pool.state("tiny@int8")) == ("loaded", "unloaded")
    await pool.close()


@pytest.mark.parametrize(
    ("reference", "error"),
    [
        ("tiny+rude", ModelNotFound),
        ("tiny@int4", ModelNotFound),
        ("tiny+bad", DamagedWeights),
        ("a+b+c", ModelNotFound),
    ],
)
async def test_what_cannot_be_had(make_pool: MakePool, reference: str, error: type[Exception]) -> None:
    pool, built = make_pool()
    with pytest.raises(error):
        await pool.load(reference)
    assert built == []
    await pool.close()


async def test_an_adapter_that_comes_later_is_loaded_once_nobody_is_answered(make_pool: MakePool, store: Path) -> None:
    pool, built = make_pool()
    async with pool.lease("tiny"):
        write_lora(store / "adapters" / "late", "x/tiny", QKV)
        with pytest.raises(ModelBusy, match="late was added after"):
            await pool.load("tiny+late")
    async with pool.lease("tiny+late") as model:
        assert "late" in model.capabilities.adapters
    assert len(built) == 2
    await pool.load("tiny+late")
    assert len(built) == 2
    await pool.close()


async def test_an_engine_without_adapters_says_so_before_anything_is_written(make_pool: MakePool) -> None:
    pool, _ = make_pool(Deaf)
    with pytest.raises(UnsupportedRequest, match="doesn't support adapters"):
        await pool.load("tiny+polite")
    assert pool.snapshot()[0].leases == 0
    await pool.close()


async def test_what_the_engine_runs_on_is_looked_for_before_loading(make_pool: MakePool) -> None:
    pool, built = make_pool(extra="torch", requires=("json", "surely_not_installed"))
    with pytest.raises(
        MissingExtra, match=r"surely_not_installed is missing\)\. Install it with .*parley-chat\[torch\]"
    ):
        await pool.load("tiny")
    assert built == []
    await pool.close()
