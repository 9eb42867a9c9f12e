from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from app.errors import DamagedWeights
from app.weights.formats.chat_template import ChatTemplate, read_template
from tests.support.gguf_files import LLAMA, GGUFFile, entry

TOKENS = {
    "bos_token": "<s>",
    "eos_token": {"content": "</s>", "lstrip": False},
    "pad_token": None,
    "add_bos_token": True,
}


def write(folder: Path, **files: Any) -> Path:
    """Files by name with ``_`` for the dot; text as it is, the rest as JSON."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem}.{suffix}").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"chat_template_jinja": "A", "tokenizer_config_json": {"chat_template": "B"}}, "A"),
        ({"tokenizer_config_json": {"chat_template": "B"}, "chat_template_json": {"chat_template": "C"}}, "B"),
        ({"chat_template_json": {"chat_template": "C"}}, "C"),
        (
            {
                "tokenizer_config_json": {
                    "chat_template": [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]
                }
            },
            "D",
        ),
    ],
)
def test_where_a_folder_keeps_it(tmp_path: Path, files: dict[str, Any], text: str) -> None:
    found = read_template(write(tmp_path, **files))
    assert found is not None
    assert found.text == text


def test_special_tokens_are_read_in_both_notations(tmp_path: Path) -> None:
    write(tmp_path, special_tokens_map_json={"bos_token": "<old>", "unk_token": "<unk>"})
    write(tmp_path, tokenizer_config_json=TOKENS | {"chat_template": "x"})
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    assert read_template(tmp_path) == ChatTemplate("x", tokens)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"tokenizer_config_json": {}},
        {"tokenizer_config_json": {"chat_template": [{"name": "rag", "template": "R"}]}},
        {"chat_template_jinja": ""},
        {"tokenizer_config_json": {"chat_template": "x"}, "config_json": {"model_type": "chatglm"}},
    ],
)
def test_where_there_is_none(tmp_path: Path, files: dict[str, Any]) -> None:
    assert read_template(write(tmp_path, **files)) is None


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"tokenizer_config_json": "{"}, "is not JSON"),
        ({"tokenizer_config_json": "[" * 100_000}, "is not JSON"),
        ({"tokenizer_config_json": [1]}, "is not a JSON object"),
        ({"tokenizer_config_json": {"chat_template": 5}}, "neither text nor a list"),
        ({"tokenizer_config_json": {"chat_template": "x" * (1 << 21)}}, "characters long"),
        ({"chat_template_jinja": "x" * (1 << 21)}, "larger than 1 MiB"),
        ({"tokenizer_config_json": '{"x": "' + "y" * (17 << 20) + '"}'}, "larger than 16 MiB"),
    ],
)
def test_a_damaged_folder_is_told(tmp_path: Path, files: dict[str, Any], reason: str) -> None:
    with pytest.raises(DamagedWeights, match=reason):
        read_template(write(tmp_path, **files))


def test_other_damage(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(DamagedWeights, match="not UTF-8"):
        read_template(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "chat_template.jinja").symlink_to("/etc/hostname")
    with pytest.raises(DamagedWeights, match="points outside the folder"):
        read_template(tmp_path)


def gguf(path: Path, **changes: Any) -> Path:
    metadata = {key: value for key, value in (dict(LLAMA) | changes).items() if value is not None}
    path.write_bytes(GGUFFile(metadata).build())
    return path


def test_a_gguf_files_template(tmp_path: Path) -> None:
    template = "{{ '你好' }}" * 100
    path = gguf(tmp_path / "m.gguf", **{"tokenizer.chat_template": template, "general.float": 0.5, "x.list": [1, 2]})
    assert read_template(path) == ChatTemplate(template)
    assert read_template(gguf(tmp_path / "none.gguf", **{"tokenizer.chat_template": None})) is None


def test_the_default_models_template(default_weights: Path) -> None:
    found = read_template(default_weights)
    assert found is not None
    assert found.text.startswith("{% for message in messages %}")
    assert found.text.endswith("{% endif %}")


def test_a_gguf_file_that_ends_anywhere_is_refused(tmp_path: Path) -> None:
    whole = GGUFFile().build()
    path = tmp_path / "m.gguf"
    for length in range(whole.index(b"{{ messages }}") + len(b"{{ messages }}")):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedWeights, match="damaged or not a GGUF"):
            read_template(path)
    path.write_bytes(whole)
    assert read_template(path) == ChatTemplate("{{ messages }}")


@pytest.mark.parametrize("lie", [1 << 21, 1 << 40, (1 << 64) - 1])
def test_a_gguf_file_with_lying_lengths_is_told(tmp_path: Path, lie: int) -> None:
    path = tmp_path / "m.gguf"
    big = struct.pack("<Q", lie)
    key = struct.pack("<Q", 1) + b"k"
    bodies = [
        big,  # a key's length
        key + struct.pack("<I", 8) + big,  # a text's
        key + struct.pack("<II", 9, 8) + big,  # a count of texts
        key + struct.pack("<IIQ", 9, 8, 2) + big,  # a text's in a list
        key + struct.pack("<II", 9, 10) + big,  # a count of numbers
        entry("tokenizer.chat_template", "x")[:-9] + big + b"x",
        key + struct.pack("<I", 77),  # an unknown type
        key + struct.pack("<II", 9, 77) + big,
    ]
    for body in bodies:
        path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 9) + body + b"more" * 10)
        with pytest.raises(DamagedWeights, match="damaged or not a GGUF"):
            read_template(path)


def test_files_that_are_no_models(tmp_path: Path) -> None:
    for content in (b"", b"hello" * 100, b"GGUF" + struct.pack("<IQQ", 9, 0, 0)):
        (tmp_path / "m.gguf").write_bytes(content)
        with pytest.raises(DamagedWeights):
            read_template(tmp_path / "m.gguf")
    with pytest.raises(DamagedWeights):
        read_template(tmp_path / "missing.gguf")
