"""A model that was brought here gets the copy that this machine's processor wants, and keeps running without one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.errors import DamagedWeights, FetchCancelled, InvalidImport
from app.models.catalog import Catalog
from app.models.fetch_model import fetch_model
from app.models.gguf_conversion import ConvertTo, convert_where_wanted
from app.models.memory import gpus
from app.weights.converting.model_types import convertible
from app.weights.progress import Progress
from tests.support.safetensors_files import write_llama


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="makes a tiny LLaMA: pip install 'parley-chat[torch]'")
    from tests.support.tiny_models import tiny_llama

    return tiny_llama(tmp_path_factory.mktemp("made") / "tiny")


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    target: Path = shutil.copytree(tiny, tmp_path / "weights" / "tiny")
    return target


def ensure(folder: Path, to: ConvertTo = "auto", **more: Any) -> str:
    on_progress, cancelled = more.get("on_progress", lambda _p: None), more.get("cancelled", lambda: False)
    return convert_where_wanted(folder, folder.parents[1], on_progress, cancelled, to=to)


def ggufs(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".gguf" or path.name.startswith("."))


def test_on_a_processor_a_copy_is_made_once(folder: Path) -> None:
    seen: list[Progress] = []
    assert ensure(folder, on_progress=seen.append) == "q4_0"
    assert {progress.phase for progress in seen} == {"quantizing"}
    assert ggufs(folder) == ["tiny-q4_0.gguf"]
    assert ensure(folder) == ""
    assert ensure(folder, "q8_0") == "q8_0"
    assert ensure(folder) == ensure(folder, "q8_0") == ""


def test_not_where_nobody_wants_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ensure(folder, "none") == ""
    monkeypatch.setattr(gpus, "has_gpu", lambda: True)
    assert ensure(folder) == ""
    assert ggufs(folder) == []


def test_what_cannot_be_copied_stays_as_it_is_unless_a_copy_was_asked_for(tmp_path: Path) -> None:
    """The tokenizer of this folder is none."""
    folder = write_llama(tmp_path / "weights" / "other")
    assert ensure(folder) == ""
    with pytest.raises(InvalidImport):
        ensure(folder, "q8_0")
    assert ggufs(folder) == []


def test_a_model_that_is_no_folder_of_that_kind_is_left_alone(tmp_path: Path) -> None:
    assert ensure(tmp_path, "q4_0") == ""


def test_stopping_leaves_nothing_and_the_next_time_makes_it(folder: Path) -> None:
    with pytest.raises(FetchCancelled):
        ensure(folder, cancelled=lambda: True)
    assert ggufs(folder) == []
    assert ensure(folder) == "q4_0"


def test_fetch_model_by_the_name_of_any_way(folder: Path, tmp_path: Path) -> None:
    catalog = Catalog(tmp_path, shipped_dir=tmp_path / "none")
    assert catalog.get("tiny").engine == "torch"
    fetch_model(catalog.get("tiny@nf4"), tmp_path, lambda _p: None, lambda: False)
    manifest = catalog.get("tiny")
    assert (manifest.engine, manifest.load_as, manifest.why) == ("llama_cpp", "q4_0", "smallest_gguf")
    assert catalog.status("tiny").state == "ready"
    assert all(file.sha256 for file in manifest.files)  # from SHA256SUMS
    fetch_model(catalog.get("tiny"), tmp_path, lambda _p: None, lambda: False)  # all is there
    config = json.loads((folder / "config.json").read_text())
    assert {config["model_type"]} <= convertible()


def test_a_flipped_bit_in_a_copy_is_found_before_it_is_loaded(folder: Path, tmp_path: Path) -> None:
    ensure(folder)
    catalog = Catalog(tmp_path, shipped_dir=tmp_path / "none")
    path = catalog.weights("tiny")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedWeights, match="SHA-256"):
        catalog.weights("tiny")
    assert catalog.status("tiny").state == "damaged"


def test_every_architecture_that_is_said_to_be_convertible_is(tmp_path: Path) -> None:
    from app.weights.converting.converter import converter_for

    for kind in convertible():
        assert converter_for({"model_type": kind})
    with pytest.raises(InvalidImport):
        converter_for({"model_type": "gpt_neox"})
