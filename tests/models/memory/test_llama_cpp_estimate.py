from __future__ import annotations

from pathlib import Path

import pytest

from app.models.manifest_reader import load_manifest
from app.models.memory.estimate import slots_for
from app.models.memory.llama_cpp_estimate import estimate_from_header, estimate_from_size, estimate_llama_cpp
from app.weights.formats.gguf import read_header
from model_store import manifests_dir
from tests.support.gguf_files import GGUFFile, write_gguf

MIB = 1 << 20


@pytest.mark.parametrize(
    ("context", "kv", "wanted", "slots"),
    [
        (4096, 23_040, 0, 4),  # the default model: 90 MiB a slot
        (4096, 131_072, 0, 2),  # LLaMA 3 8B: 512 MiB a slot
        (4096, 524_288, 0, 1),  # LLaMA 7B: 2 GiB a slot
        (4096, 0, 0, 4),  # no cache at all
        (4096, 524_288, 8, 8),  # the operator's word counts
    ],
)
def test_slots(context: int, kv: int, wanted: int, slots: int) -> None:
    assert slots_for(context, kv, wanted) == slots


@pytest.mark.parametrize(
    ("slots", "context", "cache_mib", "resident_mib"),
    # the resident memory of a worker with every slot full, as measured
    [(1, 2048, 45, 216), (4, 4096, 360, 525)],
)
def test_the_default_model_against_measurements(
    default_weights: Path, slots: int, context: int, cache_mib: int, resident_mib: int
) -> None:
    header = read_header(default_weights)
    memory = estimate_from_header(header, default_weights.stat().st_size, context_tokens=context, slots=slots)
    assert memory.kv_bytes == cache_mib * MIB
    promised = memory.total_bytes - memory.prompt_cache_bytes
    assert resident_mib * MIB < promised < 1.1 * resident_mib * MIB


def test_a_model_of_seven_billion_parameters_against_measurements() -> None:
    """LLaMA-7B converted to q4_0, one slot of 512 tokens: 4,031 MiB were resident."""
    memory = estimate_llama_cpp(3_857_551_456, 524_288, 4096, 11008, context_tokens=512, slots=1)
    assert 4031 * MIB < memory.total_bytes - memory.prompt_cache_bytes < 1.1 * 4031 * MIB


def test_the_context_is_cut_to_the_models_own(tmp_path: Path) -> None:
    header = read_header(write_gguf(tmp_path / "t.gguf", GGUFFile()))
    assert estimate_from_header(header, 100, context_tokens=4096).context_tokens == 512


def test_what_the_manifest_says_before_the_fetch_is_what_the_header_says_after(default_weights: Path) -> None:
    manifest = load_manifest(manifests_dir() / "smollm2-135m-instruct.toml")
    header = read_header(default_weights)
    assert manifest.kv_bytes_per_token == header.kv_bytes_per_token
    assert manifest.context_tokens == header.context_tokens
    assert manifest.quantization == header.quantization
    before = estimate_from_size(98_362_432, header.kv_bytes_per_token, context_tokens=4096)
    after = estimate_from_header(header, 98_362_432, context_tokens=4096)
    assert before.total_bytes == pytest.approx(after.total_bytes, rel=0.05)
