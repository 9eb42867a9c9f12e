"""Pickles become safetensors in a process of their own, number for number; a hostile one is refused and never run."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from safetensors.torch import load_file  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from app.cli.main import build  # noqa: E402
from app.errors import FetchCancelled, InvalidImport  # noqa: E402
from app.models.catalog import Catalog  # noqa: E402
from app.weights.fetching.fetch import Progress  # noqa: E402
from app.weights.importing.importer import Imported, import_model  # noqa: E402
from app.weights.importing.safetensors_worker.rows import Refused  # noqa: E402
from app.weights.importing.safetensors_worker.stored import read_weights  # noqa: E402
from tests.support.meta_files import tensors as converted  # noqa: E402
from tests.support.published import write_bins  # noqa: E402
from tests.support.safetensors_files import LLAMA_CONFIG, llama_tensors, write_lora  # noqa: E402
from tests.support.shared import shared  # noqa: E402


def bring(folder: Path, store: Path, name: str = "") -> Imported:
    return import_model(folder, store, name, lambda _: None, lambda: False)


def weights() -> dict[str, Any]:
    torch.manual_seed(0)
    return {name: torch.randn(shape).to(torch.bfloat16) for name, (_, shape) in llama_tensors().items()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "from" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(LLAMA_CONFIG))
    (folder / "modeling_x.py").write_text("raise SystemExit")
    return folder


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[k].dtype == other[k].dtype and torch.equal(one[k], other[k]) for k in one
    )


def test_the_original_shards_number_for_number(tmp_path: Path) -> None:
    done = bring(shared("golden/chatglm/base_torch_bin"), tmp_path / "store")
    original: dict[str, Any] = {}
    for path in sorted(shared("golden/chatglm/base_torch_bin").glob("*.bin")):
        original |= torch.load(path, weights_only=True)
    assert same(converted(done.folder), original)
    assert Catalog(tmp_path / "store").status("base_torch_bin").state == "ready"


@pytest.mark.parametrize("zipped", [True, False])
def test_one_file_new_and_old_format(source: Path, tmp_path: Path, zipped: bool) -> None:
    torch.save(weights(), source / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    done = bring(source, tmp_path / "store")
    assert sorted(path.name for path in done.folder.iterdir()) == ["SHA256SUMS", "config.json", "model.safetensors"]
    assert same(load_file(done.folder / "model.safetensors"), weights())


def test_every_type_and_views_and_shared_memory(source: Path, tmp_path: Path) -> None:
    tensors = weights()
    table = tensors["model.embed_tokens.weight"]
    extra = {
        "lm_head.weight": table,  # tied: the same memory
        "x.transposed": torch.arange(12, dtype=torch.float32).view(3, 4).t(),
        "x.slice": torch.arange(100, dtype=torch.float16)[10:20:3],
        "x.scalar": torch.tensor(7, dtype=torch.int64),
        "x.empty": torch.zeros(0, 4),
        "x.int8": torch.arange(-5, 5, dtype=torch.int8),
        "x.bool": torch.tensor([True, False]),
        "x.parameter": torch.nn.Parameter(torch.ones(2)),
    }
    torch.save(tensors | extra, source / "pytorch_model.bin")
    done = bring(source, tmp_path / "store")
    wanted = {k: v.detach() for k, v in (tensors | extra).items()}
    assert same(converted(done.folder), wanted)


def test_a_folder_in_the_store_is_converted_where_it_lies(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "store" / "weights" / "tiny"
    shutil.copytree(write_bins(source, weights(), 3), folder)
    assert Catalog(tmp_path / "store").status("tiny").state == "damaged"
    assert bring(folder, tmp_path / "store").folder == folder
    assert Catalog(tmp_path / "store").status("tiny").state == "ready"
    assert same(converted(folder), weights())


@pytest.mark.own_process
def test_a_stopped_conversion_goes_on_where_it_was(source: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    write_bins(source, weights(), 3)
    seen: list[Progress] = []

    def one_finished() -> bool:
        return bool(list((store / "weights" / ".partial").glob("import-tiny/*.safetensors")))

    with pytest.raises(FetchCancelled, match="to resume"):
        # A second check after the first finished file: the worker is ended in the middle of the rest.
        import_model(source, store, "", _slow(seen), one_finished)
    partial = store / "weights" / ".partial" / "import-tiny"
    kept = {path.name: path.stat().st_mtime_ns for path in partial.glob("*.safetensors")}
    assert kept
    assert not (store / "weights" / "tiny").exists()
    assert [m.id for m in Catalog(store).list() if m.id.startswith("tiny")] == []
    done = bring(source, store)
    assert {name: (done.folder / name).stat().st_mtime_ns for name in kept} == kept
    assert same(converted(done.folder), weights())
    assert all(one.done_bytes <= (one.total_bytes or 0) for one in seen)


def _slow(seen: list[Progress]) -> Callable[[Progress], None]:
    def show(now: Progress) -> None:
        seen.append(now)
        time.sleep(0.02)

    return show


def test_a_source_that_changed_is_begun_anew(source: Path, tmp_path: Path) -> None:
    partial = tmp_path / "store" / "weights" / ".partial" / "import-tiny"
    write_bins(source, weights(), 3)
    with pytest.raises(FetchCancelled):
        import_model(source, tmp_path / "store", "", lambda _: None, lambda: True)
    (partial / "model-00001-of-00003.safetensors").write_bytes(b"of an earlier source")
    (partial / "source.state").write_text("[]")
    assert same(converted(bring(source, tmp_path / "store").folder), weights())


def test_an_index_that_promises_more(source: Path, tmp_path: Path) -> None:
    path = write_bins(source, weights(), 3) / "pytorch_model.bin.index.json"
    index = json.loads(path.read_text())
    index["weight_map"]["model.extra"] = "pytorch_model-00001-of-00003.bin"
    path.write_text(json.dumps(index))
    with pytest.raises(InvalidImport, match=r"lack model\.extra"):
        bring(source, tmp_path / "store")


def test_lora_weights_saved_as_a_pickle(source: Path, tmp_path: Path) -> None:
    folder = write_lora(tmp_path / "from" / "polite", "o/tiny", {"model.layers.0.self_attn.q_proj": (8, 8)})
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()
    done = bring(folder, tmp_path / "store")
    assert done.kind == "adapter"
    assert (done.folder / "adapter_model.safetensors").exists()


# -- hostile files ----------------------------------------------------------------------------------


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def zipped(path: Path, payload: object) -> None:
    torch.save({"a": payload}, path)


def legacy(path: Path, payload: object) -> None:
    torch.save({"a": payload}, path, _use_new_zipfile_serialization=False)


def plain(path: Path, payload: object) -> None:
    path.write_bytes(pickle.dumps({"a": payload}))


def tar(path: Path, payload: object) -> None:
    raw = pickle.dumps(payload)
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))


def beside_good_weights(path: Path, payload: object) -> None:
    """A real file whose pickle was replaced."""
    torch.save(weights(), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in members.items():
            archive.writestr(name, pickle.dumps({"a": payload}, 2) if name.endswith("data.pkl") else raw)


@pytest.mark.parametrize(
    "make",
    [
        zipped,
        legacy,
        pytest.param(plain, marks=pytest.mark.own_process),
        tar,
        beside_good_weights,
    ],
)
def test_a_hostile_pickle_is_never_run(
    source: Path, tmp_path: Path, make: Callable[[Path, object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    make(source / "pytorch_model.bin", Payload(canary))
    monkeypatch.setenv("PARLEY_MODEL_STORE", str(tmp_path / "store"))
    result = CliRunner().invoke(build(), ["models", "import", str(source)])
    assert result.exit_code == 2, result.output
    assert "was not loaded" in result.stderr
    assert not canary.exists()
    assert not (tmp_path / "store" / "weights" / "tiny").exists()
    pickle.loads(pickle.dumps(Payload(canary)))
    assert canary.exists()  # the payload works


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ([1, 2], "no table of weights"),
        ({}, "no table of weights"),
        ({"a": {"b": 1}}, "which is not a tensor"),
        ({1: torch.ones(1)}, "which is not a tensor"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "safetensors can't"),
        ({"a": torch.ones(2, 2).to_sparse()}, "safetensors can't"),
    ],
)
def test_what_is_no_table_of_weights(tmp_path: Path, made: object, words: str) -> None:
    torch.save(made, tmp_path / "x.bin")
    with pytest.raises(Refused, match=words):
        read_weights(tmp_path / "x.bin")


RUBBISH = {
    "empty": b"",
    "start of an archive": b"PK\x03\x04",
    "start of a pickle": b"\x80\x02",
    "pickle without a mark": b"a",  # IndexError in torch's unpickler
    "pickle cut in a number": b"J\x01",  # struct.error
    "magic number in another's place": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x04.",
    **{f"bytes {seed}": random.Random(seed).randbytes(4096) for seed in range(50)},
}


@pytest.mark.parametrize("raw", RUBBISH.values(), ids=RUBBISH)
def test_rubbish(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.bin").write_bytes(raw)
    with pytest.raises(Refused, match="is damaged"):
        read_weights(tmp_path / "x.bin")


def test_weights_that_do_not_fit_are_refused_after_converting(source: Path, tmp_path: Path) -> None:
    torch.save({"model.embed_tokens.weight": torch.ones(3, 3)}, source / "pytorch_model.bin")
    with pytest.raises(InvalidImport, match=r"asks for model\.embed_tokens"):
        bring(source, tmp_path / "store")
    assert not (tmp_path / "store" / "weights" / "tiny").exists()


WATCHED = """
import runpy, sys, threading, time
import psutil, torch
me, top, done = psutil.Process(), 0, threading.Event()
def own():  # without pages of files, which the kernel takes back when it needs them
    info = me.memory_info()
    return info.rss - info.shared
def watch():
    global top
    while not done.wait(0.002):
        top = max(top, own())
before = own()
threading.Thread(target=watch, daemon=True).start()
try:
    runpy.run_module("app.weights.importing.safetensors_worker", run_name="__main__")
finally:
    done.set()
    print(top - before, file=sys.stderr)
"""


@pytest.mark.slow
def test_memory_stays_bounded(source: Path, tmp_path: Path) -> None:
    """A quarter of a GiB goes through a worker that never holds half of it."""
    torch.save({"a": torch.zeros(1 << 27, dtype=torch.float16)}, source / "pytorch_model.bin")
    weights = {"kind": "files", "files": [str(source / "pytorch_model.bin")]}
    jobs = [{"weights": weights, "part": 0, "parts": 1, "target": str(tmp_path / "out.safetensors")}]
    command = [sys.executable, "-c", WATCHED]
    done = subprocess.run(command, input=json.dumps({"jobs": jobs}), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out.safetensors").stat().st_size > 1 << 28
    assert int(done.stderr.split()[-1]) < 1 << 27


def test_only_the_worker_ever_opens_pickles() -> None:
    found = [
        path.relative_to(Path(__file__).parents[3]).as_posix()
        for folder in ("app", "frontends")
        for path in sorted((Path(__file__).parents[3] / folder).rglob("*.py"))
        if "torch.load(" in path.read_text("utf-8") or "import pickle" in path.read_text("utf-8")
    ]
    assert found == ["app/weights/importing/safetensors_worker/stored.py"]
