"""`parley models import`, as far as it goes without PyTorch; conversions are in tests/torch/weights."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import build
from app.errors import Conflict, FetchCancelled, FetchFailed, InvalidImport, MissingExtra
from app.models.catalog import Catalog
from app.weights.importing.importer import Imported, import_model
from app.weights.importing.placing import alone
from tests.support.safetensors_files import llama_tensors, write, write_llama, write_lora, write_sharded

QKV = {"model.layers.0.self_attn.q_proj": (8, 8)}


def bring(folder: Path, store: Path, name: str = "", cancelled: bool = False) -> Imported:
    return import_model(folder, store, name, lambda _: None, lambda: cancelled)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = write_llama(tmp_path / "from" / "Tiny")
    (folder / "modeling_x.py").write_text("raise SystemExit")
    (folder / "training_args.bin").write_bytes(b"x")
    return folder


def test_safetensors_are_linked_and_code_stays_behind(source: Path, tmp_path: Path) -> None:
    done = bring(source, tmp_path / "store")
    assert done == Imported(tmp_path / "store" / "weights" / "Tiny", "model")
    assert names(done.folder) == ["SHA256SUMS", "config.json", "model.safetensors", "tokenizer.json"]
    assert (done.folder / "model.safetensors").samefile(source / "model.safetensors")
    assert not (done.folder / "config.json").samefile(source / "config.json")
    assert Catalog(tmp_path / "store").status("tiny").state == "ready"
    assert names(tmp_path / "store" / "weights" / ".partial") == ["import-Tiny.lock"]


def test_a_folder_in_the_store_gets_its_sums_where_it_lies(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "store" / "weights" / "Tiny")
    assert bring(folder, tmp_path / "store") == Imported(folder, "model")
    assert names(folder) == ["SHA256SUMS", "config.json", "model.safetensors", "tokenizer.json"]
    assert names(folder.parent / ".partial") == ["import-Tiny.lock"]
    assert Catalog(tmp_path / "store").status("tiny").state == "ready"


def test_shards_come_with_their_index(source: Path, tmp_path: Path) -> None:
    (source / "model.safetensors").unlink()
    write_sharded(source, llama_tensors(), 3)
    done = bring(source, tmp_path / "store", "other")
    assert "model.safetensors.index.json" in names(done.folder)
    assert Catalog(tmp_path / "store").status("other").state == "ready"


def test_on_another_disk_they_are_copied(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(FetchCancelled):
        bring(source, tmp_path / "store", cancelled=True)
    done = bring(source, tmp_path / "store")
    assert (done.folder / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()


def test_an_adapter_goes_to_the_adapters(tmp_path: Path) -> None:
    bring(write_llama(tmp_path / "from" / "tiny"), tmp_path / "store")
    done = bring(write_lora(tmp_path / "from" / "polite", "o/tiny", QKV), tmp_path / "store")
    assert done == Imported(tmp_path / "store" / "adapters" / "polite", "adapter")
    assert list(Catalog(tmp_path / "store").adapters("tiny")) == ["polite"]


def test_a_prefix_goes_to_the_adapters(tmp_path: Path) -> None:
    folder = tmp_path / "from" / "tuned"
    write(folder / "model.safetensors", {"transformer.prefix_encoder.embedding.weight": ("F32", (8, 384))})
    (folder / "config.json").write_text('{"pre_seq_len": 8, "_name_or_path": "THUDM/chatglm-6b"}')
    assert bring(folder, tmp_path / "store").folder == tmp_path / "store" / "adapters" / "tuned"


def test_hugging_faces_cache_is_read_as_it_is(source: Path, tmp_path: Path) -> None:
    cache = tmp_path / "models--owner--tiny-chat"
    folder = cache / "snapshots" / "0123"
    folder.mkdir(parents=True)
    (cache / "blobs").mkdir()
    for path in source.iterdir():
        shutil.copyfile(path, cache / "blobs" / path.name)
        (folder / path.name).symlink_to(f"../../blobs/{path.name}")
    done = bring(folder, tmp_path / "store")
    assert done.folder.name == "tiny-chat"
    assert not any(path.is_symlink() for path in done.folder.iterdir())


def test_a_name_that_is_taken(source: Path, tmp_path: Path) -> None:
    bring(source, tmp_path / "store")
    before = Catalog(tmp_path / "store").digest("tiny")
    with pytest.raises(InvalidImport, match="already"):
        bring(write_llama(tmp_path / "two" / "Tiny", vocab_size=32), tmp_path / "store")
    assert Catalog(tmp_path / "store").digest("tiny") == before


@pytest.mark.parametrize("name", ["../x", ".x", "a/b", "a b", "x" * 65, "a+b", "a@b"])
def test_bad_names(source: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidImport, match="can't be a model's name"):
        bring(source, tmp_path / "store", name)
    assert not (tmp_path / "store").exists()


def test_what_is_damaged_leaves_nothing(source: Path, tmp_path: Path) -> None:
    path = source / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidImport, match=r"^(Tiny|model\.safetensors) .*cut off"):
        bring(source, tmp_path / "store")
    assert names(tmp_path / "store" / "weights" / ".partial") == ["import-Tiny.lock"]
    assert names(tmp_path / "store" / "weights") == [".partial"]


def test_links_that_lead_out_are_refused(source: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (source / "tokenizer_config.json").symlink_to(secret)
    with pytest.raises(InvalidImport, match="points outside the folder"):
        bring(source, tmp_path / "store")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ({"weight_map": {"a": "../../outside.bin"}}, "no weights in the folder"),
        ({"weight_map": {"a": "model.py"}}, "no weights in the folder"),
        ({"weight_map": {"a": 1}}, "no weight_map"),
        ({"weight_map": {"a": "pytorch_model-00001-of-00002.bin"}}, "lacks pytorch_model-00001"),
        ({"weight_map": {str(i): f"{i}.bin" for i in range(600)}}, "more than 512|lacks"),
    ],
)
def test_an_index_that_lies(source: Path, tmp_path: Path, index: dict[str, object], words: str) -> None:
    (source / "model.safetensors").unlink()
    (source / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (tmp_path / "outside.bin").write_bytes(b"x")
    with pytest.raises(InvalidImport, match=words):
        bring(source, tmp_path / "store")


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ([], "is not a folder"),
        (["tokenizer.json"], "has no config.json"),
        (["config.json"], "holds no weights"),
        (["config.json", "a.bin", "b.bin"], "2 files with weights but no index"),
        (["adapter_config.json"], "neither adapter_model.safetensors nor"),
    ],
)
def test_folders_without_a_model(tmp_path: Path, left: list[str], words: str) -> None:
    for name in left:
        (tmp_path / "x").mkdir(exist_ok=True)
        (tmp_path / "x" / name).write_text("{}")
    with pytest.raises(InvalidImport, match=words):
        bring(tmp_path / "x", tmp_path / "store")


def test_without_pytorch_the_cure_is_named(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))
    with pytest.raises(MissingExtra, match=r"parley-chat\[torch\]") as caught:
        bring(source, tmp_path / "store")
    assert caught.value.details == {"extra": "torch"}


def test_room_on_the_disk_is_looked_for_first(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    with pytest.raises(FetchFailed, match="not enough disk space"):
        bring(source, tmp_path / "store")
    assert names(tmp_path / "store" / "weights") == [".partial"]


def test_one_at_a_time_under_a_name(source: Path, tmp_path: Path) -> None:
    partial = tmp_path / "store" / "weights" / ".partial" / "import-Tiny"
    partial.parent.mkdir(parents=True)
    with alone(partial, "Tiny"), pytest.raises(Conflict, match="Another process"):
        bring(source, tmp_path / "store")
    bring(source, tmp_path / "store")


def test_the_command(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_MODEL_STORE", str(tmp_path / "store"))
    run = CliRunner()
    assert run.invoke(build(), ["models", "import", str(tmp_path / "none")]).exit_code == 2
    result = run.invoke(build(), ["models", "import", str(source), "--name", "my-tiny"])
    assert result.exit_code == 0, result.output
    write_lora(tmp_path / "store" / "adapters" / "polite", "o/my-tiny", QKV)
    write_lora(tmp_path / "store" / "adapters" / "bad", "o/my-tiny", {"model.layers.0.self_attn.q_proj": (4, 4)})
    listed = run.invoke(build(), ["models", "list"]).stdout
    assert [line.split()[0] for line in listed.splitlines() if line.startswith("my-tiny")] == [
        *("my-tiny", "my-tiny@int8", "my-tiny@nf4")
    ]
    shown = run.invoke(build(), ["models", "show", "my-tiny"]).stdout
    assert "my-tiny@nf4: " in shown
    assert "my-tiny+polite\n" in shown
    assert "my-tiny+bad (The adapter bad: " in shown.replace("\n", " ")
    assert run.invoke(build(), ["models", "show", "my-tiny@nf4"]).exit_code == 0
    assert run.invoke(build(), ["models", "show", "my-tiny@int4"]).exit_code == 2


def test_the_command_says_with_which_model_an_adapter_goes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_MODEL_STORE", str(tmp_path / "store"))
    run = CliRunner()
    write_lora(tmp_path / "from" / "polite", "o/tiny", QKV)
    alone = run.invoke(build(), ["models", "import", str(tmp_path / "from" / "polite"), "--name", "first"])
    assert "This adapter is for tiny, which is not in the store." in alone.stdout
    assert run.invoke(build(), ["models", "import", str(source)]).exit_code == 0
    beside = run.invoke(build(), ["models", "import", str(tmp_path / "from" / "polite")])
    assert "This adapter works with tiny." in beside.stdout


def test_the_commands_base(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_MODEL_STORE", str(tmp_path / "store"))
    result = CliRunner().invoke(build(), ["models", "import", str(source), "--base", "tinny"])
    assert result.exit_code == 2
    assert "The base tinny is not a file, a folder or a model in the store." in result.stderr


def test_help_teaches_by_example() -> None:
    result = CliRunner().invoke(build(), ["models", "import", "--help"])
    assert "parley models import ~/LLaMA/7B --name llama-7b --to q8_0" in " ".join(result.stdout.split())
