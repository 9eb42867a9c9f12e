"""BELLE's encrypted files: decrypted right, or refused with nothing left."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from app.errors import FetchCancelled, FetchFailed, InvalidImport
from app.models.catalog import Catalog
from app.weights.importing import xor
from app.weights.importing.importer import Imported, import_model
from app.weights.progress import Progress
from tests.support import published
from tests.support.safetensors_files import write_llama

PIECE = 1000


def bring(folder: Path, store: Path, base: Path | None, name: str = "belle") -> Imported:
    return import_model(folder, store, name, lambda _: None, lambda: False, base=base)


def encrypt(folder: Path, key: bytes, target: Path) -> Path:
    return published.encrypt(folder, key, target, PIECE)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xor, "_PIECE_BYTES", PIECE)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = write_llama(tmp_path / "plain")
    (folder / "tokenizer.model").write_bytes(random.Random(1).randbytes(4321))
    return folder


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Two whole pieces and a short one: shorter than the weights."""
    path = tmp_path / "7B" / "consolidated.00.pth"
    path.parent.mkdir()
    path.write_bytes(random.Random(2).randbytes(2 * PIECE + 137))
    return path


@pytest.mark.parametrize("by_folder", [True, False])
def test_round_trip(plain: Path, key: Path, tmp_path: Path, by_folder: bool) -> None:
    folder = encrypt(plain, key.read_bytes(), tmp_path / "BELLE-enc")
    done = bring(folder, tmp_path / "store", key.parent if by_folder else key)
    for path in plain.iterdir():
        assert (done.folder / path.name).read_bytes() == path.read_bytes()
    assert Catalog(tmp_path / "store").status("belle").state == "ready"
    assert not list((tmp_path / "store" / "weights" / ".partial").glob("*/"))


def refused(folder: Path, store: Path, base: Path | None, words: str) -> None:
    with pytest.raises(InvalidImport, match=words):
        bring(folder, store, base)
    assert not (store / "weights" / "belle").exists()
    assert not list((store / "weights" / ".partial").glob("*/"))


def test_another_key(plain: Path, key: Path, tmp_path: Path) -> None:
    folder = encrypt(plain, key.read_bytes(), tmp_path / "enc")
    (tmp_path / "other.pth").write_bytes(random.Random(3).randbytes(5000))
    refused(folder, tmp_path / "store", tmp_path / "other.pth", "is not the LLaMA file that it was made for")


@pytest.mark.parametrize("at", [0, 31, 32, -1])
def test_a_flipped_bit(plain: Path, key: Path, tmp_path: Path, at: int) -> None:
    folder = encrypt(plain, key.read_bytes(), tmp_path / "enc")
    path = next(folder.glob("model.safetensors.*"))
    raw = bytearray(path.read_bytes())
    raw[at] ^= 4
    path.write_bytes(raw)
    refused(folder, tmp_path / "store", key, r"model\.safetensors\.")


def test_a_cut_file_and_an_empty_one(plain: Path, key: Path, tmp_path: Path) -> None:
    folder = encrypt(plain, key.read_bytes(), tmp_path / "enc")
    path = next(folder.glob("model.safetensors.*"))
    path.write_bytes(path.read_bytes()[:-10])
    refused(folder, tmp_path / "store", key, "has the wrong checksum after decryption")
    path.write_bytes(b"")
    refused(folder, tmp_path / "store", key, "does not match the checksum in its name")


def test_the_key_must_be_named(plain: Path, key: Path, tmp_path: Path) -> None:
    folder = encrypt(plain, key.read_bytes(), tmp_path / "enc")
    refused(folder, tmp_path / "store", None, "consolidated.00.pth")
    refused(folder, tmp_path / "store", plain, "a Hugging Face folder of the same model does not help")


def test_what_was_decrypted_is_no_model(plain: Path, key: Path, tmp_path: Path) -> None:
    (plain / "model.safetensors").write_bytes(b"rubbish")
    refused(encrypt(plain, key.read_bytes(), tmp_path / "enc"), tmp_path / "store", key, "damaged")


def test_a_stopped_decryption_goes_on(plain: Path, key: Path, tmp_path: Path) -> None:
    folder, store = encrypt(plain, key.read_bytes(), tmp_path / "enc"), tmp_path / "store"
    partial = store / "weights" / ".partial" / "decrypt-belle"
    stop = [False]

    def watch(now: Progress) -> None:
        stop[0] = (partial / "tokenizer.json").exists()

    with pytest.raises(FetchCancelled):
        import_model(folder, store, "belle", watch, lambda: stop[0], base=key)
    before = (partial / "tokenizer.json").stat().st_mtime_ns
    seen: list[Progress] = []
    done = import_model(folder, store, "belle", seen.append, lambda: False, base=key)
    assert (done.folder / "model.safetensors").read_bytes() == (plain / "model.safetensors").read_bytes()
    assert before
    assert seen[0].done_bytes > PIECE  # it did not begin with the small files


def test_room_is_looked_for_first(plain: Path, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = encrypt(plain, key.read_bytes(), tmp_path / "enc")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    with pytest.raises(FetchFailed, match="not enough disk space"):
        bring(folder, tmp_path / "store", key)


def test_links_out_of_the_folder(plain: Path, key: Path, tmp_path: Path) -> None:
    folder = encrypt(plain, key.read_bytes(), tmp_path / "enc")
    path = next(folder.glob("config.json.*"))
    path.rename(tmp_path / path.name)
    path.symlink_to(tmp_path / path.name)
    with pytest.raises(InvalidImport, match="points outside"):
        bring(folder, tmp_path / "store", key)
