"""Which engine runs a model: a copy for llama.cpp on a processor, PyTorch on a graphics card, or what was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.models import placement
from app.models.catalog import Catalog
from app.models.manifest import Manifest
from app.weights.sources import HubSource, ModelFile
from tests.support.gguf_files import write_gguf
from tests.support.safetensors_files import write_llama

CHOICES = ("none", "int8", "nf4")
TORCH = Manifest("m", "M", "native", "torch", quantization="float16", files=(ModelFile("config.json"),))
NAMES = ["config.json", "m-q8_0.gguf", "m-q4_0.gguf", "m-q9_9.gguf", "other.gguf"]


def ways(manifest: Manifest = TORCH, *, card: bool = False, names: list[str] = NAMES) -> dict[str, str]:
    found = placement.ways(manifest, CHOICES, placement.copies(names), convertible=True, card=card)
    return {way.name: way.why for way in found}


def test_on_a_processor_the_smallest_copy_comes_first() -> None:
    assert list(ways()) == ["q4_0", "q8_0", *CHOICES]
    assert ways()["q4_0"] == "smallest_copy"
    assert ways()["q8_0"] == ways()["nf4"] == "chosen"


def test_on_a_graphics_card_pytorch_comes_first() -> None:
    assert list(ways(card=True)) == [*CHOICES, "q4_0", "q8_0"]
    assert ways(card=True)["none"] == "graphics_card"


def test_without_a_copy_pytorch_says_what_would_be_faster() -> None:
    assert ways(names=[]) == {"none": "no_copy", "int8": "chosen", "nf4": "chosen"}
    assert placement.ways(TORCH, ("int4",), {}, convertible=False, card=False)[0].why == "only_engine"


def test_a_manifest_overrides_and_never_names_what_is_not_there() -> None:
    wished = Manifest("m", "M", "native", "torch", quantizations=("nf4", "q5_1", "q8_0"))
    assert list(ways(wished)) == ["nf4", "q8_0", "q4_0", "none", "int8"]
    assert ways(wished)["nf4"] == "chosen"


def test_a_way_changes_the_engine_and_its_files_and_back() -> None:
    found = placement.ways(TORCH, CHOICES, placement.copies(NAMES), convertible=True, card=False)
    manifest = replace(TORCH, ways=found, quantizations=tuple(way.name for way in found))
    copy, stored = manifest.loaded_as(""), manifest.loaded_as("").loaded_as("none")
    assert (copy.id, copy.engine, copy.quantization, copy.files) == (
        *("m", "llama_cpp", "q4_0"),
        (ModelFile("m-q4_0.gguf"),),
    )
    assert (stored.id, stored.engine, stored.quantization) == ("m@none", "torch", "float16")
    assert copy.as_published() == stored
    assert stored.files == TORCH.files


@pytest.mark.parametrize(
    ("config", "card", "wanted"),
    [
        ({"model_type": "llama"}, False, "q4_0"),
        ({"model_type": "llama"}, True, ""),
        ({"model_type": "llama", "quantization_config": {}}, False, ""),
        ({"model_type": "chatglm"}, False, ""),
        ({}, False, ""),
    ],
)
def test_which_copy_to_make(config: dict[str, Any], card: bool, wanted: str) -> None:
    assert placement.copy_to_make(config, card=card) == wanted


def test_a_graphics_card_counts_where_pytorch_was_built_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_card(root: Path, build: str) -> bool:
        monkeypatch.setattr(placement, "version", lambda _name: build)
        monkeypatch.setattr(placement.importlib.util, "find_spec", lambda _name: object())
        return placement.has_card.__wrapped__(root)

    assert not has_card(tmp_path, "2.13.0")
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    assert has_card(tmp_path, "2.13.0")
    assert has_card(tmp_path, "2.13.0+cu130")
    assert not has_card(tmp_path, "2.13.0+cpu")


LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}


def toml(**values: Any) -> str:
    shape = "".join(f"{k} = {str(v).lower() if isinstance(v, bool) else repr(v)}\n" for k, v in LLAMA.items())
    head = 'id = "llama-7b"\ntitle = "LLaMA"\nengine = "torch"\nfamily = "transcript"\nlanguages = ["en"]\n'
    return f'{head}[source]\nkind = "hub"\nrepo = "owner/llama-7b"\n[architecture]\n{shape}'.replace("'", '"')


def test_a_model_to_fetch_is_told_with_all_its_ways(tmp_path: Path) -> None:
    """Weights and cache by the published figures of LLaMA 7B: 6.74 billion parameters, 512 KiB of cache a token."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "llama-7b.toml").write_text(toml())
    catalog = Catalog(tmp_path, context_tokens=2048, slots=1)
    manifest = catalog.get("llama-7b")
    assert isinstance(manifest.source, HubSource)
    assert (manifest.parameters, manifest.quantizations) == ("6.7B", ("q4_0", *CHOICES))
    status = catalog.status("llama-7b")
    assert (status.state, status.size_bytes) == ("not_fetched", 13_476_831_232)
    assert status.memory is not None
    assert status.memory.weights_bytes == pytest.approx(3.86e9, rel=0.01)  # the head as q8_0
    assert status.memory.kv_bytes == 2048 * 512 * 1024
    nf4 = catalog.status("llama-7b@nf4").memory
    assert nf4 is not None
    assert nf4.weights_bytes == pytest.approx(6.476e9 * 0.5625 + 0.262e9 * 2, rel=0.3)


def test_copies_in_a_folder_become_its_ways(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "weights" / "tiny")
    write_gguf(folder / "tiny-q8_0.gguf")
    catalog = Catalog(tmp_path, shipped_dir=tmp_path / "none")
    assert [m.id for m in catalog.list()] == ["tiny"]  # the copy is no model of its own
    manifest = catalog.get("tiny")
    assert (manifest.engine, manifest.load_as, manifest.why) == ("llama_cpp", "q8_0", "smallest_copy")
    assert catalog.get("tiny@none").engine == "torch"
    assert catalog.weights("tiny") == folder / "tiny-q8_0.gguf"
    assert catalog.weights("tiny@nf4") == folder
    assert catalog.digest("tiny") != catalog.digest("tiny@none")
