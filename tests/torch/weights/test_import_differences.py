"""Alpaca's difference and Vicuna's deltas: base + difference is the model, and what doesn't fit is refused first."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from app.errors import FetchCancelled, InvalidImport  # noqa: E402
from app.models.catalog import Catalog  # noqa: E402
from app.weights.importing import source as source_module  # noqa: E402
from app.weights.importing import xor  # noqa: E402
from app.weights.importing.delta_weights import judge_alpaca  # noqa: E402
from app.weights.importing.importer import Imported, import_model  # noqa: E402
from app.weights.importing.safetensors_worker.delta import Total, recovered  # noqa: E402
from app.weights.importing.safetensors_worker.rows import Refused, stored  # noqa: E402
from tests.support.meta_files import tensors, write_meta  # noqa: E402
from tests.support.published import HEAD, encrypt, half_llama, tuned, write_bins, write_difference  # noqa: E402
from tests.support.tiny_models import tiny_llama  # noqa: E402

PIECE = 1000  # bytes, in which a key goes round several times


def bring(path: Path, store: Path, name: str = "", **more: Any) -> Imported:
    return import_model(path, store, name, lambda _: None, lambda: False, **more)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return half_llama(tmp_path_factory.mktemp("hf") / "llama")


def near(one: dict[str, Any], other: dict[str, Any], within: float) -> bool:
    return one.keys() == other.keys() and all(
        torch.allclose(one[k].float(), other[k].float(), atol=within, rtol=0) for k in one
    )


@pytest.mark.own_process
def test_alpaca_with_a_token_more(base: Path, tmp_path: Path) -> None:
    model = tuned(base, 1)
    folder = write_difference(base, model, tmp_path / "alpaca-7b-wdiff", average=True, dtype="float32")
    done = bring(folder, tmp_path / "store", "alpaca", base=base)
    found = tensors(done.folder)
    assert near(found, model, 0.002)
    assert {tensor.dtype for tensor in found.values()} == {torch.float16}
    config = json.loads((done.folder / "config.json").read_text())
    assert (config["torch_dtype"], config["vocab_size"]) == ("float16", 601)
    assert Catalog(tmp_path / "store").status("alpaca").state == "ready"


@pytest.mark.parametrize("more_rows", [0, 1])
def test_vicuna_is_a_plain_sum(base: Path, tmp_path: Path, more_rows: int) -> None:
    model = tuned(base, more_rows)
    folder = write_difference(base, model, tmp_path / "vicuna-7b-delta", average=False, dtype="float16")
    done = bring(folder, tmp_path / "store", base=base)
    assert near(tensors(done.folder), model, 0.02)
    assert near({"x": tensors(done.folder)[HEAD][-1:]}, {"x": model[HEAD][-1:]}, 0.02)


def test_metas_files_are_a_base_too(base: Path, tmp_path: Path) -> None:
    model = tuned(base, 0)
    folder = write_difference(base, model, tmp_path / "vicuna-delta", average=False, dtype="float16")
    meta = write_meta(base, tmp_path / "7B", 2)
    done = bring(folder, tmp_path / "store", "vicuna", base=meta / "consolidated.00.pth")
    assert near(tensors(done.folder), model, 0.02)


def test_belles_files_hold_pickles(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xor, "_PIECE_BYTES", PIECE)
    plain = tmp_path / "plain"
    plain.mkdir()
    shutil.copyfile(base / "config.json", plain / "config.json")
    write_bins(plain, tensors(base), 2)
    key = tmp_path / "consolidated.00.pth"
    key.write_bytes(bytes(range(7, 256)) * 11)
    folder = encrypt(plain, key.read_bytes(), tmp_path / "BELLE-LLaMA-7B-enc", PIECE)
    done = bring(folder, tmp_path / "store", "belle", base=key)
    assert near(tensors(done.folder), tensors(base), 0)
    assert Catalog(tmp_path / "store").status("belle").state == "ready"


def test_it_goes_on_where_it_was_stopped(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "SHARD_BYTES", 60_000)
    model, store = tuned(base, 1), tmp_path / "store"
    folder = write_difference(base, model, tmp_path / "alpaca-wdiff", average=True, dtype="float32")
    partial = store / "weights" / ".partial" / "import-alpaca"
    with pytest.raises(FetchCancelled, match="to resume"):
        import_model(folder, store, "alpaca", lambda _: None, lambda: bool([*partial.glob("*.safetensors")]), base=base)
    kept = {path.name: path.stat().st_mtime_ns for path in partial.glob("*.safetensors")}
    done = bring(folder, store, "alpaca", base=base)
    assert {name: (done.folder / name).stat().st_mtime_ns for name in kept} == kept
    assert near(tensors(done.folder), model, 0.002)


def test_without_its_base_it_is_refused(base: Path, tmp_path: Path) -> None:
    folder = write_difference(base, tuned(base, 1), tmp_path / "alpaca-7b-wdiff", average=True, dtype="float32")
    with pytest.raises(InvalidImport, match="--base"):
        bring(folder, tmp_path / "store", "alpaca")
    with pytest.raises(InvalidImport, match="does not exist"):
        bring(folder, tmp_path / "store", "alpaca", base=tmp_path / "nowhere")
    with pytest.raises(InvalidImport, match="has neither"):
        bring(folder, tmp_path / "store", "alpaca", base=tmp_path)
    assert not (tmp_path / "store" / "weights" / "alpaca").exists()


@pytest.mark.parametrize("change", [{"hidden_size": 32}, {"num_hidden_layers": 3}, {"intermediate_size": 96}])
def test_another_base_is_refused_before_anything_is_written(base: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    folder = write_difference(base, tuned(base, 1), tmp_path / "alpaca-7b-wdiff", average=True, dtype="float32")
    with pytest.raises(InvalidImport, match="Give the base that it was made for"):
        bring(folder, tmp_path / "store", "alpaca", base=tiny_llama(tmp_path / "other", **change))
    assert not list((tmp_path / "store").rglob("*.safetensors*"))


def test_numbers_that_are_none() -> None:
    tables = [{"a": stored(torch.ones(4, 2))}, {"a": stored(torch.full((4, 2), float("nan")))}]
    found = recovered(*tables, "mean", Total())
    with pytest.raises(Refused, match="would not be finite"):
        found["a"].read(0, 4)


def test_the_sum_counts_every_row_once() -> None:
    total = Total()
    found = recovered({"a": stored(torch.ones(4, 2))}, {"a": stored(torch.ones(4, 2) * 2)}, "mean", total)
    for _ in range(2):
        found["a"].read(0, 2)
        found["a"].read(2, 4)
    assert total.value == 24


@pytest.mark.parametrize(
    ("total", "words"),
    [(50637.19, "this is Alpaca 7B"), (50637.19 - 238.9, "this is Alpaca 7B"), (51000.0, "may not be LLaMA 7B")],
)
def test_alpacas_published_sum(total: float, words: str) -> None:
    shape = {"hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32}
    assert words in judge_alpaca(total, shape)
