"""Models that can answer, fetched from a hub on the loopback interface: as they are, converted, and added to a base."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import DamagedWeights, FetchFailed, InvalidImport
from app.models.catalog import Catalog
from app.models.fetch_files import fetch_files
from app.models.manifest import Manifest
from app.weights.formats.sha256sums import read_checksums
from app.weights.progress import Progress
from app.weights.sources import HubSource
from tests.support.fake_hub import FakeHub, fetched
from tests.support.meta_files import tensors
from tests.support.published import write_bins
from tests.support.tiny_models import tiny_llama

torch: Any = pytest.importorskip("torch")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub() as fake:
        fake.use(monkeypatch, tmp_path)
        yield fake


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("hub") / "tiny-llama")


def pickled(folder: Path, target: Path) -> Path:
    """The same model in PyTorch's own files, two of them."""
    shutil.copytree(folder, target)
    weights = tensors(target)
    (target / "model.safetensors").unlink()
    return write_bins(target, weights, 2)


def logits(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(torch.arange(1, 9)[None]).logits


def never() -> bool:
    return False


def test_safetensors_answer_as_before(hub: FakeHub, llama: Path, tmp_path: Path) -> None:
    hub.add("tiny/model", llama)
    manifest = fetched("hub:tiny/model", tmp_path / "store", lambda _p: None, never)
    folder = tmp_path / "store" / "weights" / manifest.id
    assert manifest.family == "native"
    assert torch.equal(logits(folder), logits(llama))


def test_pytorch_files_are_converted_once(hub: FakeHub, llama: Path, tmp_path: Path) -> None:
    hub.add("tiny/old-model", pickled(llama, tmp_path / "made"))
    seen: list[Progress] = []
    store = tmp_path / "store"
    manifest = fetched("hub:tiny/old-model", store, seen.append, never)
    folder = store / "weights" / manifest.id
    phases = list(dict.fromkeys(progress.phase for progress in seen))
    assert phases[:2] == ["downloading", "converting"]
    assert not list(folder.glob("*.bin"))
    assert "model-00001-of-00002.safetensors" in read_checksums(folder)
    assert torch.equal(logits(folder), logits(llama))
    assert Catalog(store).status(manifest.id).state == "ready"
    assert [path.name for path in (store / "weights" / ".partial").iterdir() if path.is_dir()] == []
    hub.asked.clear()
    fetched("hub:tiny/old-model", store, seen.append, never)
    assert len(hub.asked) == 1  # the listing


class Canary:
    """A pickle that would make a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


def test_a_hostile_pickle_is_refused_and_nothing_is_shown(hub: FakeHub, llama: Path, tmp_path: Path) -> None:
    made = pickled(llama, tmp_path / "made")
    for name in made.glob("pytorch_model*"):
        name.unlink()
    torch.save({"x": Canary(tmp_path / "canary")}, made / "pytorch_model.bin")
    hub.add("tiny/evil", made)
    with pytest.raises(InvalidImport, match="was not loaded"):
        fetched("hub:tiny/evil", tmp_path / "store", lambda _p: None, never)
    assert not (tmp_path / "canary").exists()
    assert not (tmp_path / "store" / "weights" / "evil").exists()
    assert not (tmp_path / "store" / "manifests").exists()


def test_a_folder_in_the_way_is_told_before_anything_comes(hub: FakeHub, llama: Path, tmp_path: Path) -> None:
    hub.add("tiny/old-model", pickled(llama, tmp_path / "made"))
    in_the_way = tmp_path / "store" / "weights" / "old"
    in_the_way.mkdir(parents=True)
    (in_the_way / "config.json").write_text("{}")
    manifest = Manifest("old", "Old", "", "torch", source=HubSource("tiny/old-model"))
    with pytest.raises(FetchFailed, match="Move it away"):
        fetch_files(manifest, tmp_path / "store", lambda _p: None, never)
    assert hub.served == {}


def test_a_difference_is_added_to_its_base(hub: FakeHub, llama: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    store = tmp_path / "store"
    base = store / "weights" / "tiny-base"
    shutil.copytree(llama, base)
    whole = tiny_llama(tmp_path / "vicuna-whole", initializer_range=0.03)
    made = tmp_path / "tiny-vicuna-delta-v1.1"
    shutil.copytree(whole, made)
    before = load_file(base / "model.safetensors")
    delta = {k: v - before[k] for k, v in load_file(whole / "model.safetensors").items()}
    (made / "model.safetensors").unlink()
    save_file(delta, made / "model.safetensors", metadata={"format": "pt"})
    hub.add("tiny/vicuna-delta-v1.1", made)
    source = HubSource("tiny/vicuna-delta-v1.1", base="tiny-base")
    fetch_files(Manifest("tiny-vicuna", "Tiny", "", "torch", source=source), store, lambda _p: None, never)
    found = load_file(store / "weights" / "tiny-vicuna" / "model.safetensors")
    wanted = load_file(whole / "model.safetensors")
    assert all(torch.allclose(found[name].float(), wanted[name].float(), atol=2e-2) for name in wanted)


def xored(plain: bytes, key: bytes) -> bytes:
    mask = key * (len(plain) // len(key) + 1)
    return hashlib.sha256(plain).digest() + bytes(a ^ b for a, b in zip(plain, mask, strict=False))


def test_files_that_were_xored_are_decrypted_with_meta_s(hub: FakeHub, llama: Path, tmp_path: Path) -> None:
    key = hashlib.sha512(b"as if it were Meta's").digest() * 10
    made = pickled(llama, tmp_path / "made")
    plain = {path.name: path.read_bytes() for path in made.iterdir()}
    names = {name: f"{name}.{hashlib.sha256(data).hexdigest()}.enc" for name, data in plain.items()}
    hub.add("tiny/belle-enc", {names[name]: xored(data, key) for name, data in plain.items()} | {"README.md": b""})
    store = tmp_path / "store"
    manifest = Manifest("belle", "Belle", "belle", "torch", source=HubSource("tiny/belle-enc", base="meta"))
    (store / "weights" / "meta").mkdir(parents=True)
    with pytest.raises(InvalidImport, match=r"consolidated\.00\.pth does not exist"):
        fetch_files(manifest, store, lambda _p: None, never)
    assert hub.served == {}
    (store / "weights" / "meta" / "consolidated.00.pth").write_bytes(key)
    fetch_files(manifest, store, lambda _p: None, never)
    assert torch.equal(logits(store / "weights" / "belle"), logits(llama))


def test_a_flipped_bit_on_the_way_is_refused(hub: FakeHub, llama: Path, tmp_path: Path) -> None:
    hub.add("tiny/old-model", pickled(llama, tmp_path / "made"))
    name = "pytorch_model-00002-of-00002.bin"
    data = bytearray(hub.repos["tiny/old-model"].files[name])
    data[len(data) // 2] ^= 1
    hub.changed[name] = bytes(data)
    with pytest.raises(DamagedWeights, match="so it was deleted"):
        fetched("hub:tiny/old-model", tmp_path / "store", lambda _p: None, never)
    assert not (tmp_path / "store" / "weights" / "old-model").exists()
