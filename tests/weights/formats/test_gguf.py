from __future__ import annotations

import struct
from pathlib import Path

import pytest

from app.errors import DamagedWeights
from app.weights.formats.gguf import read_header
from tests.support.gguf_files import LLAMA, GGUFFile, Tensor, write_gguf


def without(*keys: str) -> dict[str, object]:
    return {k: v for k, v in LLAMA.items() if k not in keys}


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(DamagedWeights) as caught:
        read_header(path)
    assert path.name in caught.value.message
    return caught.value.message


def test_reads_what_is_needed(tmp_path: Path) -> None:
    header = read_header(write_gguf(tmp_path / "tiny.gguf"))
    assert (header.architecture, header.name, header.size_label, header.licence) == ("llama", "Tiny", "1K", "mit")
    assert (header.layers, header.heads, header.heads_kv, header.context_tokens) == (2, 4, (2, 2), 512)
    assert (header.key_length, header.value_length, header.feed_forward) == (2, 2, 16)
    assert header.quantization == "F32"
    assert header.chat_template
    assert header.tensors == 2
    # 2 layers × 2 heads × (2 + 2) × 2 bytes
    assert header.kv_bytes_per_token == 32


def test_version_2_and_per_layer_heads(tmp_path: Path) -> None:
    metadata = {**LLAMA, "llama.attention.head_count_kv": [1, 3], "llama.attention.key_length": 6}
    header = read_header(write_gguf(tmp_path / "v2.gguf", GGUFFile(metadata, version=2)))
    assert header.heads_kv == (1, 3)
    assert header.kv_bytes_per_token == (1 + 3) * (6 + 2) * 2


def test_heads_without_grouping_and_quantization_by_bytes(tmp_path: Path) -> None:
    metadata = without("llama.attention.head_count_kv", "general.file_type")
    tensors = [Tensor("a", (256, 4), kind=12, size=4 * 144), Tensor("b", (8,))]
    header = read_header(write_gguf(tmp_path / "x.gguf", GGUFFile(metadata, tensors)))
    assert header.heads_kv == (4, 4)
    assert header.quantization == "Q4_K"


def test_the_default_model(default_weights: Path) -> None:
    header = read_header(default_weights)
    assert (header.architecture, header.quantization, header.context_tokens) == ("llama", "Q4_1", 8192)
    assert header.kv_bytes_per_token == 23_040


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    file = GGUFFile()
    data = file.build()
    last = file.sections["data"] + 4 * 8 * 4 + 4 * 8
    assert len(data) == last
    for length in range(len(data)):
        refused(tmp_path / "cut.gguf", data[:length])
    (tmp_path / "whole.gguf").write_bytes(data + b"trailing bytes are harmless")
    assert read_header(tmp_path / "whole.gguf").tensors == 2


HUGE = 2**63


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (GGUFFile(magic=b"PK\x03\x04"), "begin with GGUF"),
        (GGUFFile(version=1), "version 1"),
        (GGUFFile(version=3 << 24), "big-endian"),
        (GGUFFile(keys=HUGE), f"claims {HUGE} keys"),
        (GGUFFile(keys=9_999), "claims 9999 keys"),
        (GGUFFile(count=HUGE), f"claims {HUGE} tensors"),
        (GGUFFile(count=50_000), "claims 50000 tensors"),
        (GGUFFile(count=3), "is said to be at"),
        (GGUFFile({**LLAMA, "general.alignment": 24}), "alignment 24"),
        (GGUFFile({**LLAMA, "general.alignment": 0}), "alignment 0"),
        (GGUFFile({**LLAMA, "general.alignment": 1 << 20}), "alignment"),
        (GGUFFile({**LLAMA, "llama.block_count": 1_000_000}), "1000000 layers"),
        (GGUFFile(without("general.architecture")), "architecture"),
        (GGUFFile(tensors=[Tensor("a", (8,), offset=32)]), "be at 32"),
        (GGUFFile(tensors=[Tensor("a", (8,)), Tensor("b", (8,), offset=0)]), "be at 0, not at 32"),
        (GGUFFile(tensors=[Tensor("a", (8,)), Tensor("a", (8,))]), "twice"),
        (GGUFFile(tensors=[Tensor("a", (8,), kind=99)]), "type 99"),
        (GGUFFile(tensors=[Tensor("a", (8,), kind=4)]), "type 4"),  # a format that ggml has given up
        (GGUFFile(tensors=[Tensor("a", (33,), kind=2)]), "impossible shape"),  # no whole number of blocks
        (GGUFFile(tensors=[Tensor("a", (8, 0), size=0)]), "impossible shape"),
        (GGUFFile(tensors=[Tensor("a", (1 << 62, 1 << 62), size=0)]), "needs"),
        (GGUFFile(tensors=[Tensor("a", (1 << 20,), size=16)]), "needs 4194304 bytes"),
        (GGUFFile(tensors=[Tensor("a", (1, 1, 1, 1, 1))]), "5 dimensions"),
        (GGUFFile(tensors=[Tensor("n" * 300, (8,))]), "300 bytes long"),
        (GGUFFile({**LLAMA, "k" * 2000: 1}), "2000 bytes long"),
    ],
)
def test_lies_are_refused_with_the_reason(tmp_path: Path, file: GGUFFile, reason: str) -> None:
    assert reason in refused(tmp_path / "lie.gguf", file.build())


def patched(key: str, skip: int, value: bytes) -> bytes:
    """A good file with some bytes of `key`'s value replaced; `skip` counts from the end of the key's text."""
    file = GGUFFile()
    data = bytearray(file.build())
    at = file.sections[key] + 8 + len(key) + skip
    data[at : at + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (patched("tokenizer.ggml.tokens", 8, struct.pack("<Q", HUGE)), "claims"),  # strings in a list
        (patched("tokenizer.ggml.scores", 8, struct.pack("<Q", HUGE)), "claims"),  # numbers in a list
        (patched("tokenizer.ggml.tokens", 16, struct.pack("<Q", HUGE)), "cut off"),  # one string's length
        (patched("tokenizer.ggml.tokens", 4, struct.pack("<I", 9)), "holds lists"),  # a list of lists
        (patched("general.name", 4, struct.pack("<Q", 1 << 40)), "bytes long"),
        (patched("general.name", 0, struct.pack("<I", 77)), "unknown type 77"),
        (patched("general.name", 12, b"\xff\xfe"), "UTF-8"),
    ],
)
def test_lies_inside_values_are_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    assert reason in refused(tmp_path / "lie.gguf", data)


@pytest.mark.parametrize("data", [b"", b"G", b"GGUF", b"<html>not found</html>", b"\x80\x04\x95pickle"])
def test_what_is_no_model_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "not a GGUF model" in refused(tmp_path / "other.gguf", data)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.gguf", tmp_path):
        with pytest.raises(DamagedWeights, match="cannot be read"):
            read_header(path)
