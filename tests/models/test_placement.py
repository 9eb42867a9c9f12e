"""Which engine runs a model: a GGUF conversion on a processor, PyTorch on a GPU, or what was asked for."""

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


def variants(manifest: Manifest = TORCH, *, gpu: bool = False, names: list[str] = NAMES) -> dict[str, str]:
    found = placement.variants(manifest, CHOICES, placement.conversions(names), convertible=True, gpu=gpu)
    return {variant.name: variant.why for variant in found}


def test_on_a_processor_the_smallest_conversion_comes_first() -> None:
    assert list(variants()) == ["q4_0", "q8_0", *CHOICES]
    assert variants()["q4_0"] == "smallest_gguf"
    assert variants()["q8_0"] == variants()["nf4"] == "chosen"


def test_on_a_gpu_pytorch_comes_first() -> None:
    assert list(variants(gpu=True)) == [*CHOICES, "q4_0", "q8_0"]
    assert variants(gpu=True)["none"] == "gpu"


def test_without_a_conversion_pytorch_says_what_would_be_faster() -> None:
    assert variants(names=[]) == {"none": "no_gguf", "int8": "chosen", "nf4": "chosen"}
    assert placement.variants(TORCH, ("int4",), {}, convertible=False, gpu=False)[0].why == "only_engine"


def test_a_manifest_overrides_and_never_names_what_is_not_there() -> None:
    wished = Manifest("m", "M", "native", "torch", quantizations=("nf4", "q5_1", "q8_0"))
    assert list(variants(wished)) == ["nf4", "q8_0", "q4_0", "none", "int8"]
    assert variants(wished)["nf4"] == "chosen"


def test_a_variant_changes_the_engine_and_its_files_and_back() -> None:
    found = placement.variants(TORCH, CHOICES, placement.conversions(NAMES), convertible=True, gpu=False)
    manifest = replace(TORCH, variants=found, quantizations=tuple(variant.name for variant in found))
    converted, stored = manifest.loaded_as(""), manifest.loaded_as("").loaded_as("none")
    assert (converted.id, converted.engine, converted.quantization, converted.files) == (
        *("m", "llama_cpp", "q4_0"),
        (ModelFile("m-q4_0.gguf"),),
    )
    assert (stored.id, stored.engine, stored.quantization) == ("m@none", "torch", "float16")
    assert converted.as_published() == stored
    assert stored.files == TORCH.files


@pytest.mark.parametrize(
    ("config", "gpu", "wanted"),
    [
        ({"model_type": "llama"}, False, "q4_0"),
        ({"model_type": "llama"}, True, ""),
        ({"model_type": "llama", "quantization_config": {}}, False, ""),
        ({"model_type": "chatglm"}, False, ""),
        ({}, False, ""),
    ],
)
def test_which_conversion_to_make(config: dict[str, Any], gpu: bool, wanted: str) -> None:
    assert placement.conversion_to_make(config, gpu=gpu) == wanted


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


def test_a_model_to_fetch_is_told_with_all_its_variants(tmp_path: Path) -> None:
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


def test_copies_in_a_folder_become_its_variants(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "weights" / "tiny")
    write_gguf(folder / "tiny-q8_0.gguf")
    catalog = Catalog(tmp_path, shipped_dir=tmp_path / "none")
    assert [m.id for m in catalog.list()] == ["tiny"]  # the conversion is no model of its own
    manifest = catalog.get("tiny")
    assert (manifest.engine, manifest.load_as, manifest.why) == ("llama_cpp", "q8_0", "smallest_gguf")
    assert catalog.get("tiny@none").engine == "torch"
    assert catalog.weights("tiny") == folder / "tiny-q8_0.gguf"
    assert catalog.weights("tiny@nf4") == folder
    assert catalog.digest("tiny") != catalog.digest("tiny@none")
