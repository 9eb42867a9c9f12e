from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.engine.torch.prepared_weights import PreparedWeights


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def cache_of(checkpoint: Path, kind: str = "nf4", *made_with: str) -> PreparedWeights:
    return PreparedWeights(checkpoint.parent / "cache", checkpoint, kind, made_with)


def write(place: Path) -> None:
    (place / "packed.safetensors").write_bytes(b"quantized")


def test_what_was_stored_is_found_again(checkpoint: Path) -> None:
    assert cache_of(checkpoint).folder is None
    stored = cache_of(checkpoint).store(write, 9)
    assert stored is not None
    assert cache_of(checkpoint).folder == stored
    assert (stored / "packed.safetensors").read_bytes() == b"quantized"


def test_other_weights_libraries_or_kinds_do_not_use_it(checkpoint: Path) -> None:
    cache_of(checkpoint, "nf4", "1.0").store(write, 9)
    assert cache_of(checkpoint, "nf4", "1.1").folder is None
    assert cache_of(checkpoint, "int8", "1.0").folder is None
    (checkpoint / "model.safetensors").write_bytes(b"other weights")
    assert cache_of(checkpoint, "nf4", "1.0").folder is None


def test_a_new_copy_takes_the_place_of_the_old_one(checkpoint: Path) -> None:
    old = cache_of(checkpoint, "nf4", "1.0").store(write, 9)
    new = cache_of(checkpoint, "nf4", "1.1").store(write, 9)
    assert old is not None
    assert new is not None
    assert [path.name for path in old.parent.iterdir()] == [new.name]


def test_half_a_copy_is_never_found(checkpoint: Path) -> None:
    def interrupted(place: Path) -> None:
        write(place)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache_of(checkpoint).store(interrupted, 9)
    assert cache_of(checkpoint).folder is None
    assert not list((checkpoint.parent / "cache" / "nf4").iterdir())


def test_without_room_nothing_is_kept_and_nothing_fails(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    assert cache_of(checkpoint).store(write, 9) is None
    assert "Not enough disk space" in capsys.readouterr().err
