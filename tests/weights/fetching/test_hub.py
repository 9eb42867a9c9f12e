"""Fetching from a hub on the loopback interface that cuts, lies, refuses, is slow, or works."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from app.errors import DamagedWeights, FetchCancelled, FetchFailed, InvalidImport, ModelNotFetched
from app.models.catalog import Catalog
from app.models.fetch_files import fetch_files
from app.system.child_process import environment
from app.weights.fetching import hub_client
from app.weights.formats.sha256sums import read_checksums
from app.weights.progress import Progress
from app.weights.sources import HubSource, ModelFile
from tests.support.fake_hub import COMMIT, FakeHub
from tests.support.fake_index import wait_until
from tests.support.safetensors_files import llama_tensors, write_llama, write_sharded
from tests.weights.fetching.repos import (
    GGUF_NAME,
    gguf_manifest,
    large_gguf,
    llama_files,
    never,
    nobody,
    torch_manifest,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def data(hub: FakeHub) -> bytes:
    """The file of the repository tiny/gguf."""
    hub.add("tiny/gguf", {GGUF_NAME: large_gguf(), "README.md": b"# Tiny", "run.py": b"raise SystemExit"})
    return hub.repos["tiny/gguf"].files[GGUF_NAME]


def target(store: Path) -> Path:
    return store / "weights" / "tiny" / GGUF_NAME


def nothing_shown(store: Path) -> bool:
    weights = store / "weights"
    return not weights.exists() or [path.name for path in weights.iterdir() if not path.name.startswith(".")] == []


def test_a_gguf_file_is_fetched_checked_and_tidied_up(hub: FakeHub, store: Path, data: bytes) -> None:
    seen: list[Progress] = []
    fetch_files(gguf_manifest(), store, seen.append, never)
    assert target(store).read_bytes() == data
    assert seen[-1] == Progress("downloading", len(data), len(data))
    assert not (store / "weights" / ".partial" / "tiny").exists()
    assert read_checksums(target(store).parent) == {GGUF_NAME: hashlib.sha256(data).hexdigest()}
    assert hub.served == {GGUF_NAME: len(data)}
    assert sorted(p.name for p in target(store).parent.iterdir()) == ["SHA256SUMS", GGUF_NAME]


def test_the_commit_is_asked_for_once_and_used_for_all(hub: FakeHub, store: Path, data: bytes) -> None:
    fetch_files(gguf_manifest(), store, nobody, never)
    paths = [path for _, path, _ in hub.asked]
    assert [path for path in paths if path.startswith("/api/")] == ["/api/models/tiny/gguf/revision/main"]
    assert all(f"/resolve/{COMMIT}/" in path for path in paths if not path.startswith("/api/"))


def test_what_is_there_is_not_fetched_again(hub: FakeHub, store: Path, data: bytes) -> None:
    fetch_files(gguf_manifest(), store, nobody, never)
    hub.asked.clear()
    fetch_files(gguf_manifest(), store, nobody, never)
    assert hub.asked == []


def test_a_checkpoint_comes_with_what_it_needs_and_nothing_else(hub: FakeHub, store: Path, tmp_path: Path) -> None:
    files = llama_files(tmp_path / "made")
    hub.add("tiny/model", files)
    fetch_files(torch_manifest(), store, nobody, never)
    folder = store / "weights" / "tiny-llama"
    names = {"config.json", "model.safetensors", "tokenizer.json"}
    assert {path.name for path in folder.iterdir()} == names | {"SHA256SUMS"}
    assert all((folder / name).read_bytes() == files[name] for name in names)
    assert set(read_checksums(folder)) == names


def test_a_model_in_several_files_that_the_catalog_does_not_know_yet(hub: FakeHub, store: Path, tmp_path: Path) -> None:
    made = write_llama(tmp_path / "made")
    (made / "model.safetensors").unlink()
    hub.add("tiny/model", write_sharded(made, llama_tensors(), 3))
    (store / "manifests").mkdir(parents=True)
    text = 'id = "t"\ntitle = "T"\nengine = "torch"\n[source]\nkind = "hub"\nrepo = "tiny/model"\n'
    (store / "manifests" / "t.toml").write_text(text)
    catalog = Catalog(store)
    before = catalog.get("t").as_published()
    assert catalog.status("t").state == "not_fetched"
    fetch_files(before, store, nobody, never)
    assert catalog.status("t").state == "ready"
    assert [f.path for f in catalog.get("t").files if f.path.endswith(".safetensors")] == [
        f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)
    ]
    hub.asked.clear()
    fetch_files(before, store, nobody, never)  # as another process would that waited
    assert hub.asked == []


def test_a_cut_connection_is_taken_up_where_it_broke(hub: FakeHub, store: Path, data: bytes) -> None:
    hub.cuts[GGUF_NAME] = [100_000, 50_000, 200_001]
    fetch_files(gguf_manifest(), store, nobody, never)
    assert target(store).read_bytes() == data
    assert hub.served[GGUF_NAME] == len(data)  # each byte once
    ranges = [headers["range"] for _, path, headers in hub.asked if path.startswith("/cdn/") and "range" in headers]
    assert ranges == ["bytes=100000-", "bytes=150000-", "bytes=350001-"]


def test_a_connection_that_stays_broken_is_said_and_the_next_try_goes_on(
    hub: FakeHub, store: Path, data: bytes
) -> None:
    hub.cuts[GGUF_NAME] = [300_000, 0, 0, 0, 0]
    with pytest.raises(FetchFailed, match=r"kept breaking .* Run the same command to resume"):
        fetch_files(gguf_manifest(), store, nobody, never)
    assert nothing_shown(store)
    hub.cuts.clear()
    fetch_files(gguf_manifest(), store, nobody, never)
    assert target(store).read_bytes() == data
    assert hub.served[GGUF_NAME] == len(data)


def test_a_hub_without_ranges_gives_all_of_it_again(hub: FakeHub, store: Path, data: bytes) -> None:
    hub.knows_ranges = False
    hub.cuts[GGUF_NAME] = [100_000]
    fetch_files(gguf_manifest(), store, nobody, never)
    assert target(store).read_bytes() == data
    assert hub.served[GGUF_NAME] == len(data) + 100_000


PULL = """
import sys
from pathlib import Path
from app.models.fetch_files import fetch_files
from tests.weights.fetching.repos import gguf_manifest
fetch_files(gguf_manifest(), Path(sys.argv[1]), lambda p: print(p.done_bytes, flush=True), lambda: False)
"""


@pytest.mark.parametrize("whom", ["worker", "both"])
def test_killed_in_the_middle_it_goes_on_from_there(hub: FakeHub, store: Path, data: bytes, whom: str) -> None:
    hub.pause_s = 0.02
    parent = subprocess.Popen(
        [sys.executable, "-c", PULL, str(store)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: hub.served[GGUF_NAME] > 150_000)
        (worker,) = psutil.Process(parent.pid).children()
        if whom == "both":
            parent.kill()
            worker.wait(5)  # it sees that no one is there any more
        else:
            worker.send_signal(signal.SIGKILL)
        _, said = parent.communicate(timeout=20)
        assert ("ended unexpectedly" in said) is (whom == "worker")
    finally:
        parent.kill()
        parent.wait()
    served = hub.served[GGUF_NAME]
    assert 150_000 < served < len(data)
    assert nothing_shown(store)
    hub.pause_s = 0
    fetch_files(gguf_manifest(), store, nobody, never)
    assert target(store).read_bytes() == data
    assert hub.served[GGUF_NAME] < len(data) + 130_000  # what was under way when it was killed, no more


def test_a_slow_fetch_ends_soon_when_cancelled(hub: FakeHub, store: Path, data: bytes) -> None:
    hub.pause_s = 0.3
    stop = threading.Event()
    stopped_at: list[float] = []

    def watch(progress: Progress) -> None:
        if progress.done_bytes > 50_000 and not stop.is_set():
            stopped_at.append(time.monotonic())
            stop.set()

    with pytest.raises(FetchCancelled, match="Run the same command to resume"):
        fetch_files(gguf_manifest(), store, watch, stop.is_set)
    assert time.monotonic() - stopped_at[0] < 5  # the rest alone would take longer
    assert psutil.Process().children() == []
    assert nothing_shown(store)


def test_two_at_once_fetch_once(hub: FakeHub, store: Path, data: bytes) -> None:
    hub.pause_s = 0.01
    seen: list[Progress] = []
    arguments = (gguf_manifest(), store, seen.append, never)
    threads = [threading.Thread(target=fetch_files, args=arguments) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target(store).read_bytes() == data
    assert hub.served[GGUF_NAME] == len(data)


def test_other_bytes_than_announced_are_refused_and_deleted(hub: FakeHub, store: Path, data: bytes) -> None:
    hub.changed[GGUF_NAME] = data[:-1] + b"\2"
    with pytest.raises(
        DamagedWeights, match=r"tiny-q4_k_m\.gguf of tiny/gguf has the wrong size or checksum, so it was deleted"
    ):
        fetch_files(gguf_manifest(), store, nobody, never)
    assert nothing_shown(store)
    assert not list((store / "weights" / ".partial").rglob("*.gguf"))
    hub.changed.clear()
    fetch_files(gguf_manifest(), store, nobody, never)
    assert target(store).read_bytes() == data


def test_a_small_file_is_compared_with_its_blob_id(hub: FakeHub, store: Path, tmp_path: Path) -> None:
    files = llama_files(tmp_path / "made")
    hub.add("tiny/model", files)
    hub.changed["config.json"] = files["config.json"].replace(b"llama", b"llamb")
    with pytest.raises(DamagedWeights, match=r"config\.json of tiny/model"):
        fetch_files(torch_manifest(), store, nobody, never)
    assert nothing_shown(store)


def test_more_bytes_than_announced_are_not_even_written(hub: FakeHub, store: Path, data: bytes) -> None:
    hub.changed[GGUF_NAME] = data + b"\0" * 5_000_000
    with pytest.raises(DamagedWeights):
        fetch_files(gguf_manifest(), store, nobody, never)
    assert hub.served[GGUF_NAME] < len(data) + 4_000_000
    assert not list((store / "weights" / ".partial").rglob("*.gguf"))


def test_a_rest_of_another_file_is_replaced(hub: FakeHub, store: Path, data: bytes) -> None:
    """As when the repository changed between two tries."""
    old = store / "weights" / ".partial" / "tiny" / GGUF_NAME
    old.parent.mkdir(parents=True)
    old.write_bytes(b"\7" * 100_000)
    fetch_files(gguf_manifest(), store, nobody, never)
    assert target(store).read_bytes() == data


@pytest.mark.parametrize("left", [b"x" * 2_000_000, b""])
def test_a_rest_that_is_too_long_or_empty(hub: FakeHub, store: Path, data: bytes, left: bytes) -> None:
    old = store / "weights" / ".partial" / "tiny" / GGUF_NAME
    old.parent.mkdir(parents=True)
    old.write_bytes(left)
    (old.parent / "stale.gguf").write_bytes(b"of an older list")
    fetch_files(gguf_manifest(), store, nobody, never)
    assert target(store).read_bytes() == data
    assert not (target(store).parent / "stale.gguf").exists()


def test_the_manifest_s_sum_counts_more_than_the_hub_s(hub: FakeHub, store: Path, data: bytes) -> None:
    wrong = gguf_manifest(files=(ModelFile(GGUF_NAME, "0" * 64, len(data)),))
    with pytest.raises(DamagedWeights, match="Nothing was downloaded"):
        fetch_files(wrong, store, nobody, never)
    longer = gguf_manifest(files=(ModelFile(GGUF_NAME, None, len(data) + 1),))
    with pytest.raises(DamagedWeights, match="Nothing was downloaded"):
        fetch_files(longer, store, nobody, never)
    assert hub.served == {}
    right = gguf_manifest(files=(ModelFile(GGUF_NAME, hashlib.sha256(data).hexdigest(), len(data)),))
    fetch_files(right, store, nobody, never)


def test_a_damaged_file_is_fetched_again_and_a_good_one_beside_it_is_not(
    hub: FakeHub, store: Path, tmp_path: Path
) -> None:
    first, second = large_gguf(1), large_gguf(2)
    hub.add("tiny/gguf", {"a.gguf": first, "b.gguf": second})
    files = tuple(
        ModelFile(name, hashlib.sha256(data).hexdigest(), len(data))
        for name, data in (("a.gguf", first), ("b.gguf", second))
    )
    manifest = gguf_manifest(files=files)
    fetch_files(manifest, store, nobody, never)
    folder = store / "weights" / "tiny"
    (folder / "b.gguf").write_bytes(second[:-1] + b"\2")
    (folder / "mine.txt").write_text("stays")
    hub.served.clear()
    fetch_files(manifest, store, nobody, never)
    assert (folder / "b.gguf").read_bytes() == second
    assert hub.served == {"b.gguf": len(second)}
    assert (folder / "mine.txt").exists()
    assert set(read_checksums(folder)) == {"a.gguf", "b.gguf"}


def test_what_is_no_model_is_not_shown(hub: FakeHub, store: Path, tmp_path: Path) -> None:
    hub.add("tiny/gguf", {GGUF_NAME: b"GGUF" + b"\xff" * 4000})
    with pytest.raises(DamagedWeights, match="has no usable model"):
        fetch_files(gguf_manifest(), store, nobody, never)
    files = llama_files(tmp_path / "made")
    hub.add(
        "tiny/model", files | {"config.json": files["config.json"].replace(b'"hidden_size": ', b'"hidden_size": 9')}
    )
    with pytest.raises(DamagedWeights, match="has no usable model"):
        fetch_files(torch_manifest(), store, nobody, never)
    assert nothing_shown(store)


@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil.json", "a\\b.json", "a/../../b.gguf", "x\x01.json"])
def test_names_that_lead_out_are_refused(hub: FakeHub, store: Path, data: bytes, name: str) -> None:
    hub.repos["tiny/gguf"].files[name] = b"x"
    with pytest.raises(InvalidImport, match="points outside its folder"):
        fetch_files(gguf_manifest(), store, nobody, never)
    assert hub.served == {}
    assert not list(store.parent.rglob("evil*"))


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (401, {}, r"no tiny/gguf without a login.*/tiny/gguf, then log in with `hf auth login`"),
        (401, {"X_Error_Message": "Invalid credentials in Authorization header"}, r"rejected your token"),
        (403, {"X_Error_Code": "GatedRepo"}, r"accept its licence. Accept it on http://127.*/tiny/gguf, then log in"),
        (404, {"X_Error_Code": "RepoNotFound"}, r"has no model tiny/gguf"),
        (404, {"X_Error_Code": "RevisionNotFound"}, r"tiny/gguf has no revision 'main'"),
        (429, {}, r"too many requests from your network \(429\)"),
        (500, {}, r"is having problems \(500\)"),
        (418, {"X_Error_Message": "tea"}, r"refused the listing of tiny/gguf \(418: tea\)"),
    ],
)
def test_refusals_say_what_to_do(
    hub: FakeHub, store: Path, data: bytes, status: int, headers: dict[str, str], says: str
) -> None:
    hub.refuse("list", status, **headers)
    with pytest.raises(FetchFailed, match=says) as caught:
        fetch_files(gguf_manifest(), store, nobody, never)
    assert caught.value.details["status"] == status
    assert nothing_shown(store)


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (403, {"X_Error_Code": "GatedRepo"}, "accept its licence"),
        (404, {"X_Error_Code": "EntryNotFound"}, rf"has no file {GGUF_NAME} at {COMMIT}"),
        (503, {}, r"is having problems \(503\)"),
    ],
)
def test_refusals_of_a_file(
    hub: FakeHub, store: Path, data: bytes, status: int, headers: dict[str, str], says: str
) -> None:
    hub.refuse(GGUF_NAME, status, **headers)
    with pytest.raises(FetchFailed, match=says):
        fetch_files(gguf_manifest(), store, nobody, never)


def test_what_passes_is_waited_for(hub: FakeHub, store: Path, data: bytes) -> None:
    hub.refuse("list", 503, times=2)
    hub.refuse(GGUF_NAME, 429, times=2)
    fetch_files(gguf_manifest(), store, nobody, never)
    assert target(store).read_bytes() == data


def test_a_file_that_the_repository_lacks(hub: FakeHub, store: Path, data: bytes) -> None:
    with pytest.raises(FetchFailed, match=r"has no file other\.gguf.* It has: tiny-q4_k_m\.gguf"):
        fetch_files(gguf_manifest(files=(ModelFile("other.gguf"),)), store, nobody, never)


def test_no_network(hub: FakeHub, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://me:hunter2@127.0.0.1:9")
    with pytest.raises(FetchFailed, match=r"http://\*\*\*@127\.0\.0\.1:9 can't be reached .*refused") as caught:
        fetch_files(gguf_manifest(), store, nobody, never)
    assert "hunter2" not in str(caught.value.payload())


def test_offline_mode(hub: FakeHub, store: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FetchFailed, match="HF_HUB_OFFLINE is set"):
        fetch_files(gguf_manifest(), store, nobody, never)


@pytest.mark.parametrize("address", ["huggingface.co", "ftp://x", "http://", "http://x:port"])
def test_an_endpoint_that_is_none(store: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(FetchFailed, match=r"HF_ENDPOINT is .* not a valid address"):
        fetch_files(gguf_manifest(), store, nobody, never)


def test_something_that_is_no_hub(hub: FakeHub, store: Path, data: bytes) -> None:
    hub.repos["tiny/gguf"].announced[GGUF_NAME] = {"size": None, "lfs": None}
    with pytest.raises(FetchFailed, match="does not answer like a Hugging Face server"):
        fetch_files(gguf_manifest(), store, nobody, never)
    hub.refuse("list", 200)  # a page
    with pytest.raises(FetchFailed, match="does not answer like a Hugging Face server"):
        fetch_files(gguf_manifest(), store, nobody, never)


def test_a_token_goes_to_the_hub_and_nothing_else_of_the_environment(
    hub: FakeHub, store: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnop")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    hub.refuse(GGUF_NAME, 418, X_Error_Message="no hf_abcdefghijklmnop here")
    with pytest.raises(FetchFailed) as caught:
        fetch_files(gguf_manifest(), store, nobody, never)
    assert "hf_abcdefghijklmnop" not in str(caught.value.payload())
    assert {headers.get("authorization") for _, _, headers in hub.asked} == {"Bearer hf_abcdefghijklmnop"}
    passed = environment(os.environ, hub_client._PASSED_ON)
    assert "OPENAI_API_KEY" not in passed
    assert {"HF_TOKEN", "PATH"} <= set(passed)


def test_a_small_disk_is_noticed_before_anything_is_fetched(
    hub: FakeHub, store: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(store.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10_000_000))
    with pytest.raises(FetchFailed, match=r"68 MB are needed temporarily and 10 MB are free") as caught:
        fetch_files(gguf_manifest(), store, nobody, never)
    assert caught.value.details["free_bytes"] == 10_000_000
    assert hub.served == {}


def test_a_disk_that_fills_up_keeps_what_came(
    hub: FakeHub, store: Path, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker may write no file of more than 200 KB: that fails as a full disk does, but for the number."""
    startup = tmp_path / "small" / "sitecustomize.py"
    startup.parent.mkdir()
    startup.write_text(
        "import errno, os, pathlib\n"
        "real = pathlib.Path.open\n"
        "class Small:\n"
        "    def __init__(self, file): self._file = file\n"
        "    def __getattr__(self, name): return getattr(self._file, name)\n"
        "    def __enter__(self): return self\n"
        "    def __exit__(self, *a): self._file.close()\n"
        "    def write(self, data):\n"
        "        if self._file.tell() > 200_000: raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "        return self._file.write(data)\n"
        "pathlib.Path.open = lambda self, mode='r', *a, **k: "
        "Small(real(self, mode)) if mode == 'ab' else real(self, mode, *a, **k)\n"
    )
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(startup.parent))
        with pytest.raises(FetchFailed, match=r"disk is full.* Run the same command to resume"):
            fetch_files(gguf_manifest(), store, nobody, never)
    assert nothing_shown(store)
    before = hub.served[GGUF_NAME]
    fetch_files(gguf_manifest(), store, nobody, never)
    assert target(store).read_bytes() == data
    assert hub.served[GGUF_NAME] - before < len(data) - 150_000


def test_a_disk_that_is_full_when_it_is_put_in_place(
    hub: FakeHub, store: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: Path, _target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(FetchFailed, match="disk is full"):
            fetch_files(gguf_manifest(), store, nobody, never)
    assert nothing_shown(store)
    fetch_files(gguf_manifest(), store, nobody, never)
    assert hub.served[GGUF_NAME] == len(data)


def test_a_difference_whose_base_is_missing_is_told_first(hub: FakeHub, store: Path) -> None:
    manifest = torch_manifest(source=HubSource("tiny/model", base="llama-7b"))
    with pytest.raises(ModelNotFetched, match=r"delta weights for llama-7b, which is missing.*weights/llama-7b"):
        fetch_files(manifest, store, nobody, never)
    assert hub.asked == []
