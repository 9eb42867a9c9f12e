"""The manifests that are shipped: all can be read, and say all that a person who chooses one wants to know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.families import load_families
from app.models.catalog import Catalog
from app.models.manifest import Manifest
from app.models.manifest_reader import load_manifest
from app.weights.sources import HubSource
from model_store import manifests_dir

PATHS = sorted(manifests_dir().glob("*.toml"))
ASKED_FOR = {
    *("chatglm-6b", "chatglm-6b-int8", "chatglm-6b-int4", "chatglm2-6b", "chatglm3-6b"),
    *("llama-7b", "llama-13b", "llama-33b", "llama-65b", "alpaca-7b", "vicuna-7b", "vicuna-13b"),
    *("bloomz-7b1-mt", "belle-7b-2m", "belle-llama-7b"),
    *(f"qwen2.5-{size}-instruct" for size in ("0.5b", "1.5b", "3b", "7b")),
    *(f"qwen3-{size}" for size in ("0.6b", "1.7b", "4b")),
    *(f"smollm2-{size}-instruct" for size in ("135m", "360m", "1.7b")),
}


@pytest.fixture(params=PATHS, ids=[path.stem for path in PATHS])
def shipped(request: pytest.FixtureRequest) -> Manifest:
    manifest = load_manifest(request.param)
    assert manifest.id == request.param.stem
    return manifest


def test_all_that_were_asked_for_are_there() -> None:
    assert {path.stem for path in PATHS} >= ASKED_FOR


def test_everything_is_said_in_both_languages(shipped: Manifest) -> None:
    assert shipped.description.endswith(".")
    assert set(shipped.translations) == {"zh"}
    assert re.search(r"[一-鿿].*。$", shipped.translations["zh"], re.DOTALL)
    assert shipped.released
    assert all((shipped.licence, shipped.parameters, shipped.languages, shipped.context_tokens, shipped.title))
    assert ("zh" in shipped.languages) or "English" in shipped.description or shipped.family == "transcript"
    assert shipped.family in load_families()


def test_it_is_pinned_where_sums_are_named(shipped: Manifest) -> None:
    """A checksum of a file that may change tomorrow would keep everyone out."""
    if not isinstance(shipped.source, HubSource):
        return
    if any(file.sha256 for file in shipped.files):
        assert re.fullmatch(r"[0-9a-f]{40}", shipped.source.revision)
        assert all(file.sha256 and file.size_bytes for file in shipped.files)
    if shipped.engine == "llama_cpp":
        assert shipped.files


def test_size_and_memory_are_told_before_it_is_fetched(shipped: Manifest, tmp_path: Path) -> None:
    status = Catalog(tmp_path).status(shipped.id)
    assert status.state == "not_fetched"
    assert status.size_bytes is not None
    assert status.memory is not None
    assert status.memory.total_bytes > 0.2 * status.size_bytes


def test_numbers_of_parameters_are_those_of_the_architecture(shipped: Manifest, tmp_path: Path) -> None:
    """The published files hold two bytes for each, int8 and int4 one and a half."""
    if shipped.engine != "torch":
        return
    size = Catalog(tmp_path).status(shipped.id).size_bytes
    count = float(shipped.parameters.removesuffix("B")) * 1e9
    each = {8: 1.0, 4: 0.5}.get(int(shipped.architecture.get("quantization_bit", 0)), 2.0)
    assert size == pytest.approx(count * each, rel=0.3 if each < 2 else 0.03)


def test_a_difference_names_its_base(shipped: Manifest) -> None:
    if isinstance(shipped.source, HubSource) and shipped.source.base:
        assert shipped.source.base in {path.stem for path in PATHS} or f"weights/{shipped.source.base}/" in (
            shipped.description
        )
