"""An engine is one new file: a module dropped into app/engine serves a manifest that names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import app.engine
from app.config import Settings
from app.domain.messages import Role, Turn
from app.engine.factories import engine_inputs, find_factories
from app.engine.pool import ModelPool
from app.models.catalog import Catalog

ENGINE = """
from app.engine.base import EngineFactory
from app.engine.scripted import ScriptedEngine, echo
from app.models.engine_input import NOTHING

ENGINE = EngineFactory(
    "toy",
    lambda plan: ScriptedEngine(echo(0), context_tokens=plan.context_tokens, slots=plan.slots),
    takes=NOTHING,
    slots=2,
)
"""


@pytest.fixture
def toy_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "engine_for_tests.py").write_text(ENGINE)
    monkeypatch.setattr(app.engine, "__path__", [*app.engine.__path__, str(tmp_path)])
    find_factories.cache_clear()
    yield
    find_factories.cache_clear()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    manifests = tmp_path / "store" / "manifests"
    manifests.mkdir(parents=True)
    (manifests / "mine.toml").write_text('id = "mine"\ntitle = "Mine"\nengine = "toy"\nfamily = "vicuna"\n')
    return Settings(model_store=tmp_path / "store", data_dir=tmp_path / "data", context_tokens=512)


@pytest.mark.anyio
@pytest.mark.usefixtures("toy_engine")
async def test_a_dropped_in_engine_answers(settings: Settings) -> None:
    catalog = Catalog.from_settings(settings, engine_inputs())
    assert catalog.problems == []
    assert catalog.status("mine").state == "ready"
    pool = ModelPool(settings, catalog)
    assert pool.missing_extra("toy") is None
    try:
        async with pool.lease("mine") as model:
            prompt = await model.render([Turn(Role.USER, "hello")])
        assert prompt.text == "user: hello\nassistant: "
    finally:
        await pool.close()


def test_without_it_the_manifest_is_a_problem(settings: Settings) -> None:
    catalog = Catalog.from_settings(settings, engine_inputs())
    assert [problem.details["key"] for problem in catalog.problems] == ["engine"]
    assert "one of: llama_cpp, openai, scripted, torch" in catalog.problems[0].message
    assert "mine" not in {manifest.id for manifest in catalog.list()}
