from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import DamagedWeights
from app.weights.formats.safetensors import TensorInfo, read_tensors
from tests.support.safetensors_files import build, table, write

TENSORS = {"a": ("F16", (2, 3)), "b": ("I8", (4,)), "c": ("F32", ())}
HEADER = table(TENSORS)
GOOD = build(HEADER, 20)


def test_a_good_file(tmp_path: Path) -> None:
    path = write(tmp_path / "m.safetensors", TENSORS)
    assert read_tensors(path) == {
        "a": TensorInfo("F16", (2, 3), 12),
        "b": TensorInfo("I8", (4,), 4),
        "c": TensorInfo("F32", (), 4),
    }


def entry(**changes: object) -> dict[str, object]:
    return {**HEADER, "a": {**HEADER["a"], **changes}}


BAD = [
    (b"", "cut off before its header"),
    (GOOD[:7], "cut off before its header"),
    (GOOD[:40], "does not fit"),
    (GOOD[:-1], "cut off"),
    (GOOD + b"x", "too long"),
    (struct.pack("<Q", 1 << 62) + GOOD[8:], "does not fit"),
    (build(b"[]", 0), "not a table"),
    (build(b"\xff\xfe", 0), "not valid JSON"),
    (build(b"[" * 100_000, 0), "not valid JSON"),
    (build(b'{"a": 1' + b"1" * 10_000 + b"}", 0), "not valid JSON"),
    (build(json.dumps(HEADER)[:-1].encode() + b', "a": {}}', 20), "not valid JSON"),
    (build({"a": []}, 0), "not a table"),
    (build(entry(dtype="Q4"), 20), "not known"),
    (build(entry(dtype=["F16"]), 20), "not known"),
    (build(entry(shape=[2, -3]), 20), "is invalid"),
    (build(entry(shape=[2, 3.0]), 20), "is invalid"),
    (build(entry(shape=[True, 6]), 20), "is invalid"),
    (build(entry(shape=[1] * 9), 20), "is invalid"),
    (build(entry(shape=[1 << 47, 1 << 47]), 20), "for its shape"),
    (build(entry(data_offsets=[0]), 20), "position"),
    (build(entry(data_offsets=[12, 0]), 20), "for its shape"),
    (build(entry(data_offsets=[1, 13]), 21), "gap before"),
    (build({**HEADER, "b": {**HEADER["b"], "data_offsets": [8, 12]}}, 20), "overlaps another"),
    (build(table({"x" * 600: ("I8", (1,))}), 1), "600 characters"),
]


@pytest.mark.parametrize(("data", "words"), BAD)
def test_bad_files_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(DamagedWeights, match=words) as caught:
        read_tensors(path)
    assert caught.value.details["file"] == "m.safetensors"
    assert "Download it again" in caught.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DamagedWeights, match="cannot be read"):
        read_tensors(tmp_path / "none.safetensors")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_any_damage_is_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, end: int
) -> None:
    """Nothing but DamagedWeights ever comes out, and what passes still adds up to the file's size."""
    data = bytearray(GOOD)
    data[at] = byte
    path = tmp_path_factory.getbasetemp() / "mutated.safetensors"
    path.write_bytes(bytes(data[:end]) if end % 2 else bytes(data))
    try:
        tensors = read_tensors(path)
    except DamagedWeights:
        return
    (header,) = struct.unpack("<Q", data[:8])
    assert sum(t.size_bytes for t in tensors.values()) == path.stat().st_size - 8 - header
