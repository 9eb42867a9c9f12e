"""Which model is recommended for a computer and a reader, among those that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config import Settings
from app.models.catalog import Catalog
from app.models.memory import MemoryBudget
from app.models.memory.snapshot import Amount
from app.models.model_views import ModelView
from app.models.service import ModelService
from tests.support.fake_machine import FakeMachine
from tests.support.gguf_files import write_gguf

GIB = 1 << 30


def views(tmp_path: Path, machine: FakeMachine, *languages: str) -> dict[str, ModelView]:
    catalog = Catalog(tmp_path)
    catalog.budget = MemoryBudget(machine=machine)
    return {view.manifest.id: view for view in ModelService(Settings(), catalog).listing(languages).models}


def recommended(tmp_path: Path, machine: FakeMachine, *languages: str) -> list[str]:
    return [model_id for model_id, view in views(tmp_path, machine, *languages).items() if view.recommended]


@pytest.mark.parametrize(
    ("memory_gib", "expected"),
    [(1, []), (4, ["qwen2.5-1.5b-instruct"]), (8, ["qwen3-4b"]), (64, ["qwen2.5-7b-instruct"])],
)
def test_the_largest_recent_one_with_room_to_spare(tmp_path: Path, memory_gib: int, expected: list[str]) -> None:
    assert recommended(tmp_path, FakeMachine(Amount(memory_gib * GIB)), "zh-CN", "en") == expected


def test_only_one_that_speaks_the_reader_s_language(tmp_path: Path) -> None:
    machine = FakeMachine(Amount(64 * GIB))
    assert recommended(tmp_path, machine, "sw") == []
    assert recommended(tmp_path, machine, "sw", "en") == ["qwen2.5-7b-instruct"]
    (tmp_path / "manifests").mkdir()
    text = 'id = "mine"\ntitle = "Mine"\nengine = "llama_cpp"\nlanguages = ["sw"]\nreleased = "2025-04"\n'
    files = '[source]\nkind = "folder"\npath = "weights/mine"\n[[files]]\npath = "model.gguf"\n'
    (tmp_path / "manifests" / "mine.toml").write_text(text + files)
    assert recommended(tmp_path, machine, "sw") == [], "it is not there, and nowhere to be fetched"
    write_gguf(tmp_path / "weights" / "mine" / "model.gguf")
    assert recommended(tmp_path, machine, "sw") == ["mine"]


def test_not_into_memory_that_other_programs_use_now(tmp_path: Path) -> None:
    machine = FakeMachine(Amount(64 * GIB))
    machine.others = Amount(60 * GIB)
    assert recommended(tmp_path, machine, "en") == ["qwen3-4b"]


def test_a_gpu_s_memory_counts_where_there_is_one(tmp_path: Path) -> None:
    found = views(tmp_path, FakeMachine(Amount(64 * GIB, 8 * GIB), gpu=True), "en")
    best = next(view for view in found.values() if view.recommended)
    memory = best.status.memory
    assert memory is not None
    assert memory.vram_bytes <= 0.6 * 8 * GIB


def test_no_large_model_that_thinks_for_minutes_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = FakeMachine(Amount(64 * GIB))
    assert recommended(tmp_path, machine, "en") == ["qwen2.5-7b-instruct"]
    monkeypatch.setattr("app.models.recommendation.THINKING_TOKENS_RATIO", 1)
    assert recommended(tmp_path, machine, "en") == ["qwen3-8b"], "it is larger, and there is room"


def test_a_model_that_only_continues_texts_is_told_from_one_that_chats(tmp_path: Path) -> None:
    found = views(tmp_path, FakeMachine(Amount(64 * GIB)))
    tiers = {model_id: found[model_id].tier for model_id in ("llama-7b", "vicuna-7b", "qwen2.5-7b-instruct")}
    assert tiers == {"llama-7b": "base", "vicuna-7b": "older", "qwen2.5-7b-instruct": "recent"}
    write_gguf(tmp_path / "weights" / "found" / "model.gguf")
    assert views(tmp_path, FakeMachine(Amount(64 * GIB)))["found"].tier is None
