"""GGUF files are linked after a look at their headers; parts come together or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import InvalidImport
from app.weights.checksums import Checksums
from app.weights.formats.sha256sums import read_checksums
from app.weights.importing.importer import Imported, import_model
from tests.support.gguf_files import LLAMA, GGUFFile, write_gguf


def bring(path: Path, store: Path, name: str = "", base: Path | None = None) -> Imported:
    return import_model(path, store, name, lambda _: None, lambda: False, base=base)


def parts(folder: Path, count: int) -> list[Path]:
    return [
        write_gguf(
            folder / f"tiny-{i + 1:05d}-of-{count:05d}.gguf",
            GGUFFile(metadata={**LLAMA, "split.no": i, "split.count": count}),
        )
        for i in range(count)
    ]


def test_one_file_is_linked(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "from" / "tiny-q4_0.gguf")
    done = bring(path, tmp_path / "store")
    assert done == Imported(tmp_path / "store" / "weights" / "tiny-q4_0", "model")
    assert (done.folder / path.name).samefile(path)
    assert read_checksums(done.folder) == {path.name: Checksums(tmp_path).sha256(path)}


def test_a_folder_that_holds_one(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "Tiny-GGUF" / "tiny-q4_0.gguf")
    assert bring(path.parent, tmp_path / "store").folder.name == "Tiny-GGUF"
    write_gguf(path.with_name("tiny-q8_0.gguf"))
    with pytest.raises(InvalidImport, match=r"2 GGUF models\. Name the file"):
        bring(path.parent, tmp_path / "store", "two")


@pytest.mark.parametrize("by_folder", [True, False])
def test_all_parts(tmp_path: Path, by_folder: bool) -> None:
    found = parts(tmp_path / "from", 3)
    done = bring(found[0].parent if by_folder else found[0], tmp_path / "store", "tiny")
    assert sorted(path.name for path in done.folder.glob("*.gguf")) == [path.name for path in found]


def test_parts_that_are_missing_or_in_disorder(tmp_path: Path) -> None:
    first, second, third = parts(tmp_path / "from", 3)
    with pytest.raises(InvalidImport, match="is one part of a model"):
        bring(second, tmp_path / "store")
    second.rename(tmp_path / "x")
    with pytest.raises(InvalidImport, match="lacks tiny-00002-of-00003"):
        bring(first, tmp_path / "store")
    third.rename(second)
    (tmp_path / "x").rename(third)
    with pytest.raises(InvalidImport, match="with their published names"):
        bring(first, tmp_path / "store")
    lone = write_gguf(tmp_path / "lone.gguf", GGUFFile(metadata={**LLAMA, "split.no": 0, "split.count": 2}))
    with pytest.raises(InvalidImport, match="part 1 of 2"):
        bring(lone, tmp_path / "store")
    assert not list((tmp_path / "store").rglob("*.gguf"))


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"general.architecture": "perceiver9"}, "architecture 'perceiver9'"),
        ({"general.type": "adapter"}, "not a chat model"),
        ({"general.type": "mmproj"}, "not a chat model"),
    ],
)
def test_what_is_no_model_that_runs(tmp_path: Path, metadata: dict[str, object], words: str) -> None:
    path = write_gguf(tmp_path / "x.gguf", GGUFFile(metadata={**LLAMA, **metadata}))
    with pytest.raises(InvalidImport, match=words):
        bring(path, tmp_path / "store")
    assert not list((tmp_path / "store").rglob("*.gguf"))


def test_damage_and_links(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "from" / "x.gguf")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InvalidImport, match="cut off"):
        bring(path, tmp_path / "store")
    real = write_gguf(tmp_path / "real.gguf")
    (tmp_path / "from" / "y.gguf").symlink_to(real)
    with pytest.raises(InvalidImport, match="points outside"):
        bring(tmp_path / "from" / "y.gguf", tmp_path / "store")
    with pytest.raises(InvalidImport, match="needs no base"):
        bring(real, tmp_path / "store", base=tmp_path)
