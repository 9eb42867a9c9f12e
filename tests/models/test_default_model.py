"""Which model answers when nobody chose one."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config import Settings
from app.errors import MissingExtra
from app.models.catalog import Catalog
from app.models.loaded_models import NothingLoaded
from app.models.memory import MemoryBudget, MemoryEstimate, model_estimate
from app.models.memory.snapshot import Amount
from app.models.service import ModelService
from tests.support.fake_machine import FakeMachine
from tests.support.safetensors_files import write_llama

pytestmark = pytest.mark.usefixtures("one_shipped")


class WithoutTorch(NothingLoaded):
    def missing_extra(self, engine: str) -> MissingExtra | None:
        return MissingExtra("Not installed.", extra="torch") if engine == "torch" else None


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """A model of the size that a test asks for, in bytes by its quantization."""
    write_llama(tmp_path / "weights" / "tiny")
    sizes = {"none": 800, "int8": 500, "nf4": 300}

    def estimate(_: object, quantization: str, **__: int) -> MemoryEstimate:
        return MemoryEstimate(sizes[quantization], 0, 1, 1, 0, 0, keeps_prompts=False)

    monkeypatch.setattr(model_estimate, "estimate_torch", estimate)
    return Catalog(tmp_path)


@pytest.mark.parametrize(
    ("memory_bytes", "expected"), [(1000, "tiny"), (800, "tiny"), (799, "tiny@int8"), (301, "tiny@nf4"), (100, None)]
)
def test_the_first_variant_that_the_machine_has_memory_for(
    catalog: Catalog, memory_bytes: int, expected: str | None
) -> None:
    catalog.budget = MemoryBudget(machine=FakeMachine(Amount(memory_bytes)))
    assert ModelService(Settings(), catalog).default_model() == expected


def test_what_the_operator_set_comes_first(catalog: Catalog) -> None:
    assert ModelService(Settings(model="tiny@nf4+polite"), catalog).default_model() == "tiny@nf4+polite"


def test_not_without_what_it_runs_on(catalog: Catalog) -> None:
    models = ModelService(Settings(), catalog, WithoutTorch())
    listing = models.listing()
    assert models.default_model() is None
    assert [view.default for view in listing.models] == [False] * len(listing.models)
