from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from app.errors import DamagedWeights, InvalidImport
from app.weights.formats.sha256sums import CHECKSUM_FILE, read_checksums, write_checksums
from app.weights.importing.importer import import_model
from tests.support.safetensors_files import write_llama

ONE, TWO = hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"two").hexdigest()


def test_written_and_read(tmp_path: Path) -> None:
    assert read_checksums(tmp_path) == {}
    write_checksums(tmp_path, {"b": ONE, "a file.txt": TWO.upper()})
    write_checksums(tmp_path, {"b": TWO, "c/d": ONE})
    assert read_checksums(tmp_path) == {"a file.txt": TWO, "b": TWO, "c/d": ONE}
    assert [path.name for path in tmp_path.iterdir()] == [CHECKSUM_FILE]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_understands_it(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"one")
    write_checksums(tmp_path, {"b": ONE})
    assert subprocess.run(["sha256sum", "--check", CHECKSUM_FILE], cwd=tmp_path, check=False).returncode == 0
    made = subprocess.run(["sha256sum", "--binary", "b"], cwd=tmp_path, check=True, capture_output=True, text=True)
    (tmp_path / CHECKSUM_FILE).write_text(made.stdout)
    assert read_checksums(tmp_path) == {"b": ONE}


@pytest.mark.parametrize(
    "raw",
    [b"x", b"\xff", f"{ONE} b".encode(), f"{ONE}  ../b".encode(), f"{ONE}  /b".encode(), f"{ONE}  a/../b".encode()],
)
def test_what_is_no_list_of_checksums(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / CHECKSUM_FILE).write_bytes(raw)
    with pytest.raises(DamagedWeights, match=CHECKSUM_FILE):
        read_checksums(tmp_path)


@pytest.mark.parametrize(("path", "digest"), [("../b", ONE), ("/b", ONE), ("a\nb", ONE), ("b", "x")])
def test_what_is_not_written(tmp_path: Path, path: str, digest: str) -> None:
    with pytest.raises(ValueError, match=CHECKSUM_FILE):
        write_checksums(tmp_path, {path: digest})
    assert not list(tmp_path.iterdir())


def test_sums_that_came_with_a_folder_must_be_right(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "tiny")
    weights = folder / "model.safetensors"
    write_checksums(folder, {weights.name: hashlib.sha256(weights.read_bytes()).hexdigest()})
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(InvalidImport, match="does not match its SHA-256"):
        import_model(folder, tmp_path / "store", "", lambda _: None, lambda: False)
    assert not (tmp_path / "store" / "weights" / "tiny").exists()
