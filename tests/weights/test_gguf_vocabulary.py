from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import DamagedWeights
from app.weights.formats.gguf_vocabulary import read_special_tokens
from tests.support.gguf_files import LLAMA, GGUFFile, write_gguf

TOKENS = ["<unk>", "<s>", "<|im_end|>", "<think>", "hello", "<0x0A>", "<|odd|>"]
TYPES = [2, 3, 1, 4, 1, 6, 1]


def vocabulary(path: Path, **changes: object) -> Path:
    metadata = {key: value for key, value in LLAMA.items() if not key.startswith("tokenizer")}
    return write_gguf(path, GGUFFile(metadata | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}))


def test_special_tokens_by_their_types_and_names(tmp_path: Path) -> None:
    control, defined = read_special_tokens(vocabulary(tmp_path / "m.gguf", tokens=TOKENS, token_type=TYPES))
    assert control == {"<unk>": 0, "<s>": 1, "<|im_end|>": 2}  # the last one by its name, as llama.cpp does
    assert defined == {"<think>": 3}


def test_a_file_without_types_has_those_with_a_name(tmp_path: Path) -> None:
    assert read_special_tokens(vocabulary(tmp_path / "m.gguf", tokens=TOKENS)) == ({"<|im_end|>": 2}, {})


def test_a_long_vocabulary(tmp_path: Path) -> None:
    tokens = [*(f"word{n}" for n in range(9000)), "<s>"]
    path = vocabulary(tmp_path / "m.gguf", tokens=tokens, token_type=[*[1] * 9000, 3])
    assert read_special_tokens(path) == ({"<s>": 9000}, {})


def test_files_without_a_vocabulary(tmp_path: Path) -> None:
    assert read_special_tokens(vocabulary(tmp_path / "m.gguf")) == ({}, {})
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\3\0\0\0")
    with pytest.raises(DamagedWeights):
        read_special_tokens(tmp_path / "bad.gguf")
