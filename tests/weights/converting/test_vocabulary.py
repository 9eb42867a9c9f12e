"""Byte-level vocabularies out of tokenizer.json and the files around it; anything else in them is told."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from app.errors import DamagedWeights, InvalidImport
from app.weights.converting.tokenizers.reading import read_vocabulary
from app.weights.converting.vocabulary import Vocabulary

ROWS = 12
PLAIN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
TOKENIZER: dict[str, Any] = {
    "added_tokens": [
        {"id": 6, "content": "<|begin|>", "special": True} | PLAIN,
        {"id": 7, "content": "<tool>", "special": False} | PLAIN,
        {"id": 9, "content": "<|im_end|>", "special": True} | PLAIN,
    ],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    "post_processor": {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel"},
            {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<|begin|>"}}, {"Sequence": {"id": "A"}}],
            },
        ],
    },
    "model": {
        "type": "BPE",
        "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "Ġ": 5},
        "merges": [["a", "b"], "ab c"],
        "byte_fallback": False,
    },
}
SETTINGS: dict[str, Any] = {
    "bos_token": "<|begin|>",
    "eos_token": {"content": "<|im_end|>"},
    "unk_token": None,
    "additional_special_tokens": ["<tool>"],
    "chat_template": [{"name": "default", "template": "x"}],
    "added_tokens_decoder": {"6": {"content": "<|begin|>", "special": True}},
}
GENERATION: dict[str, Any] = {"eos_token_id": [9, 4]}


def write(folder: Path, *tables: dict[str, Any]) -> None:
    names = ("tokenizer.json", "tokenizer_config.json", "generation_config.json")
    for name, table in zip(names, tables, strict=False):
        (folder / name).write_text(json.dumps(table))


def read(folder: Path, **config: Any) -> Vocabulary:
    return read_vocabulary(folder, config, ROWS)


def test_byte_level(tmp_path: Path) -> None:
    write(tmp_path, TOKENIZER, SETTINGS, GENERATION)
    found = read(tmp_path)
    assert (found.model, found.pre, found.merges) == ("gpt2", "gpt-2", ["a b", "ab c"])
    assert found.tokens[:10] == ["a", "b", "c", "ab", "abc", "Ġ", "<|begin|>", "<tool>", "[PAD8]", "<|im_end|>"]
    assert found.types == [1, 1, 1, 1, 1, 1, 3, 3, 5, 3, 5, 5]
    assert (found.bos, found.eos, found.unk, found.pad) == (6, 9, None, None)
    assert (found.add_bos, found.add_eos, found.more_ends, found.templates) == (True, False, (4,), {"default": "x"})


def test_a_token_that_is_added_and_not_special_is_cut_out_of_texts(tmp_path: Path) -> None:
    write(tmp_path, TOKENIZER, SETTINGS | {"additional_special_tokens": []})
    assert read(tmp_path).types[7] == 4


def test_the_configuration_says_whether_a_beginning_is_added(tmp_path: Path) -> None:
    write(tmp_path, TOKENIZER, SETTINGS | {"add_bos_token": False})
    assert not read(tmp_path).add_bos
    write(tmp_path, TOKENIZER, SETTINGS | {"add_eos_token": True})
    assert (read(tmp_path).add_bos, read(tmp_path).add_eos) == (False, True)


def test_what_ends_a_reply_must_be_said(tmp_path: Path) -> None:
    write(tmp_path, TOKENIZER)
    with pytest.raises(InvalidImport, match="does not say which token ends a reply"):
        read(tmp_path)
    assert read(tmp_path, eos_token_id=9).eos == 9


def test_no_token_is_taken_for_the_beginning_by_chance(tmp_path: Path) -> None:
    """llama.cpp takes the token 11 where a file says nothing."""
    write(tmp_path, TOKENIZER, {"eos_token": "<|im_end|>"})
    found = read(tmp_path)
    assert (found.bos, found.add_bos) == (9, False)
    assert read(tmp_path, bos_token_id=6).bos == 6


def test_a_named_token_that_is_in_no_list_comes_behind_all_others(tmp_path: Path) -> None:
    write(tmp_path, TOKENIZER, SETTINGS | {"pad_token": "[PAD]"})
    found = read(tmp_path)
    assert (found.pad, found.tokens[10], found.types[10]) == (10, "[PAD]", 3)


@pytest.mark.parametrize("key", ["continuing_subword_prefix", "end_of_word_suffix", "dropout", "byte_fallback"])
def test_what_llama_cpp_does_not_know(tmp_path: Path, key: str) -> None:
    write(tmp_path, TOKENIZER | {"model": TOKENIZER["model"] | {key: 1}}, SETTINGS)
    with pytest.raises(InvalidImport, match=key):
        read(tmp_path)


def _nodes(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a table: what holds it, and its key there."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *_nodes(value[key]))]


def test_whatever_stands_in_the_files(tmp_path: Path) -> None:
    chance = random.Random(12)
    odd = [None, True, -1, 3, 1 << 40, 1.5, "", "x", "\ud800", [], [[]], {}, {"id": 1}, [{"type": "Split"}], "a" * 999]
    read_well = 0
    for _ in range(250):
        tables = copy.deepcopy((TOKENIZER, SETTINGS, GENERATION))
        for _ in range(chance.randint(1, 3)):
            holder, key = chance.choice(_nodes(list(tables)))
            holder[key] = chance.choice(odd)
        write(tmp_path, *[table if isinstance(table, dict) else {} for table in tables])
        try:
            found = read(tmp_path)
        except (InvalidImport, DamagedWeights):
            continue
        read_well += 1
        assert len(found.tokens) == len(found.types) == ROWS
        assert len(set(found.tokens)) == ROWS
        assert found.eos in range(ROWS)
        assert "".join([*found.tokens, *found.merges, *found.templates.values()]).encode()
    assert 20 < read_well < 230
