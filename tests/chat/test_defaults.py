"""Which model answers when nobody chose one."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.chat import defaults
from app.chat.defaults import default_model
from app.config import Settings
from app.models import catalog as catalogs
from app.models.catalog import Catalog
from app.models.memory import model_estimate
from app.models.memory.estimate import MemoryEstimate
from tests.support.safetensors_files import write_llama

pytestmark = pytest.mark.usefixtures("one_shipped")


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """A model of the size that a test asks for, in bytes by its quantization."""
    write_llama(tmp_path / "weights" / "tiny")
    monkeypatch.setattr(defaults, "is_installed", lambda _: True)
    sizes = {"none": 800, "int8": 500, "nf4": 300}

    def estimate(_: object, quantization: str, **__: int) -> MemoryEstimate:
        return MemoryEstimate(sizes[quantization], 0, 1, 1, 0, 0, keeps_prompts=False)

    monkeypatch.setattr(model_estimate, "estimate_torch", estimate)
    return Catalog(tmp_path)


@pytest.mark.parametrize(
    ("memory_bytes", "expected"), [(1000, "tiny"), (800, "tiny"), (799, "tiny@int8"), (301, "tiny@nf4"), (100, None)]
)
def test_the_first_way_that_the_machine_has_memory_for(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, memory_bytes: int, expected: str | None
) -> None:
    monkeypatch.setattr(catalogs, "total_bytes", lambda: memory_bytes)
    assert default_model(catalog, Settings()) == expected


def test_what_the_operator_set_comes_first(catalog: Catalog) -> None:
    assert default_model(catalog, Settings(model="tiny@nf4+polite")) == "tiny@nf4+polite"


def test_not_without_what_it_runs_on(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "is_installed", lambda engine: engine != "torch")
    assert default_model(catalog, Settings()) is None
