"""``hub:OWNER/NAME[:FILE][@REVISION]``: what it may look like, what it chooses, and the manifest that it leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.errors import DamagedWeights, FetchFailed, InvalidImport, InvalidManifest, ModelNotFound
from app.models.catalog import Catalog
from app.models.hub_references import HubReference, parse_hub_reference
from app.models.manifest_reader import load_manifest
from app.models.manifest_writer import manifest_text, write_manifest
from app.weights.sources import HubSource, ModelFile
from tests.support.fake_hub import COMMIT, FakeHub, fetched
from tests.weights.fetching.repos import gguf_manifest, large_gguf, llama_files, never, nobody

FILE = "Tiny-Model-Q4_K_M.gguf"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("hub:Qwen/Qwen3-0.6B-GGUF", HubReference("Qwen/Qwen3-0.6B-GGUF")),
        ("hub:a/b:c-Q4_0.gguf", HubReference("a/b", "c-Q4_0.gguf")),
        ("hub:a/b:deep/c.gguf@v1.0/x", HubReference("a/b", "deep/c.gguf", "v1.0/x")),
        ("hub:a/b@main", HubReference("a/b", "", "main")),
    ],
)
def test_references(text: str, wanted: HubReference) -> None:
    assert parse_hub_reference(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *("hub:", "hub:a", "hub:a/b/c", "hub:../b", "hub:a/b:c.bin", "hub:a/b:../c.gguf", "hub:a/b:/c.gguf", "a/b"),
        *("hub:a/b@", "hub:a/b@-x", "hub:a b/c", "hub:a/b:c\n.gguf", "hub:a/b:c.gguf@x y", f"hub:a/{'b' * 500}"),
        "hub:a/b:c\\d.gguf",
    ],
)
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(ModelNotFound, match="Write hub:OWNER/NAME"):
        parse_hub_reference(text)


def test_a_file_by_name(hub: FakeHub, store: Path) -> None:
    data = large_gguf()
    hub.add("tiny/Tiny-GGUF", {FILE: data, "Tiny-Model-Q8_0.gguf": data, "README.md": b""})
    manifest = fetched(f"hub:tiny/Tiny-GGUF:{FILE}", store, nobody, never)
    assert manifest == load_manifest(store / "manifests" / "tiny-model-q4_k_m.toml")
    assert manifest.title == "Tiny-Model-Q4_K_M"
    assert (manifest.quantization, manifest.context_tokens, manifest.parameters) == ("Q4_K_M", 512, "1K")
    assert manifest.source == HubSource("tiny/Tiny-GGUF", COMMIT)
    assert manifest.files == (ModelFile(FILE, hashlib.sha256(data).hexdigest(), len(data)),)
    assert manifest.licence == "apache-2.0"
    catalog = Catalog(store)
    status = catalog.status(manifest.id)
    assert (status.state, status.verified) == ("ready", True)
    catalog.verify(manifest.id, again=True)
    (store / "weights" / manifest.id / FILE).write_bytes(data[:-1] + b"\3")
    with pytest.raises(DamagedWeights):
        catalog.verify(manifest.id, again=True)


def test_the_same_again_fetches_nothing_and_another_of_that_name_gets_a_number(hub: FakeHub, store: Path) -> None:
    hub.add("tiny/one", {FILE: large_gguf(1)})
    hub.add("tiny/two", {FILE: large_gguf(2)})
    first = fetched("hub:tiny/one", store, nobody, never)
    served = hub.served.total()
    assert fetched(f"hub:tiny/one:{FILE}", store, nobody, never).id == first.id
    assert hub.served.total() == served
    assert fetched("hub:tiny/two", store, nobody, never).id == f"{first.id}-2"
    assert {manifest.id for manifest in Catalog(store).list()} >= {first.id, f"{first.id}-2"}


def test_a_shipped_model_is_known_by_its_repository(hub: FakeHub, store: Path) -> None:
    name = "qwen2.5-0.5b-instruct-q4_k_m.gguf"
    hub.add("Qwen/Qwen2.5-0.5B-Instruct-GGUF", {name: large_gguf()})
    with pytest.raises(FetchFailed, match="has no revision"):  # it asks for the commit that the manifest names
        fetched(f"hub:Qwen/Qwen2.5-0.5B-Instruct-GGUF:{name}", store, nobody, never)


def test_several_files_and_none_named(hub: FakeHub, store: Path) -> None:
    parts = {f"big-q8_0-0000{n}-of-00002.gguf": large_gguf(n) for n in (1, 2)}
    files = {FILE: large_gguf(), "Tiny-Model-Q8_0.gguf": large_gguf(), "mmproj-model.gguf": b"x", **parts}
    hub.add("tiny/many", files)
    with pytest.raises(InvalidImport) as caught:
        fetched("hub:tiny/many", store, nobody, never)
    assert "has 3 models" in caught.value.message
    assert "big-q8_0-00001-of-00002.gguf (0.0 GB)" in caught.value.message
    assert f"parley models pull hub:tiny/many:{FILE}" in caught.value.message
    with pytest.raises(InvalidImport, match=r"no file other\.gguf. It has: "):
        fetched("hub:tiny/many:other.gguf", store, nobody, never)
    assert hub.served == {}
    assert not (store / "manifests").exists()


def test_a_checkpoint(hub: FakeHub, store: Path, tmp_path: Path) -> None:
    hub.add("tiny/Tiny.Chat", llama_files(tmp_path / "made"))
    manifest = fetched("hub:tiny/Tiny.Chat", store, nobody, never)
    assert manifest == load_manifest(store / "manifests" / "tiny.chat.toml")
    assert (manifest.id, manifest.engine, manifest.family) == ("tiny.chat", "torch", "transcript")
    assert (manifest.files, manifest.context_tokens) == ((), 256)
    catalog = Catalog(store)
    assert catalog.status("tiny.chat").state == "ready"
    assert catalog.get("tiny.chat").source == HubSource("tiny/Tiny.Chat", COMMIT)
    hub.asked.clear()
    assert fetched("hub:tiny/Tiny.Chat", store, nobody, never).id == "tiny.chat"
    assert len(hub.asked) == 1  # the listing


def test_a_flipped_bit_in_a_checkpoint_is_mended(hub: FakeHub, store: Path, tmp_path: Path) -> None:
    files = llama_files(tmp_path / "made")
    hub.add("tiny/model", files)
    manifest = fetched("hub:tiny/model", store, nobody, never)
    weights = store / "weights" / manifest.id / "model.safetensors"
    weights.write_bytes(files["model.safetensors"][:-1] + bytes([files["model.safetensors"][-1] ^ 1]))
    fetched("hub:tiny/model", store, nobody, never)
    assert weights.read_bytes() == files["model.safetensors"]


def test_nothing_that_parley_can_use(hub: FakeHub, store: Path) -> None:
    hub.add("tiny/onnx", {"model.onnx": b"x", "config.json": b"{}"})
    with pytest.raises(InvalidImport, match="no weights that Parley can use"):
        fetched("hub:tiny/onnx", store, nobody, never)
    hub.add("tiny/lora", {"adapter_config.json": b"{}", "adapter_model.safetensors": b"x"})
    with pytest.raises(InvalidImport, match="an adapter"):
        fetched("hub:tiny/lora", store, nobody, never)
    with pytest.raises(FetchFailed, match="has no model tiny/nothing"):
        fetched("hub:tiny/nothing", store, nobody, never)
    with pytest.raises(FetchFailed, match="no revision 'v2'"):
        fetched("hub:tiny/onnx@v2", store, nobody, never)
    assert not (store / "manifests").exists()


def test_a_hostile_name_is_refused_before_anything(hub: FakeHub, store: Path) -> None:
    hub.add("tiny/bad", {FILE: large_gguf(), "../../manifests/evil.toml": b"x"})
    with pytest.raises(InvalidImport, match="points outside its folder"):
        fetched("hub:tiny/bad", store, nobody, never)
    assert hub.served == {}


@pytest.mark.parametrize("title", ['a "quoted" \\ title', "标题 😀", "line\nbreak", "tab\tdel\x7f"])
def test_manifests_are_read_back_as_they_were(tmp_path: Path, title: str) -> None:
    manifest = gguf_manifest(title=title.replace("\x7f", ""), description="d", translations={"zh": "中文"})
    assert load_manifest(write_manifest(manifest, tmp_path)) == manifest
    assert "\x7f" not in manifest_text(gguf_manifest(title=title))


def test_one_that_could_not_be_read_is_not_left(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest):
        write_manifest(gguf_manifest(files=(ModelFile("../x.gguf"),)), tmp_path)
    assert not list(tmp_path.glob("*.toml"))
