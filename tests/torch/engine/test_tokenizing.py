"""Tokenizers of LLaMA's folders, as published and as half-published, against SentencePiece itself."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra torch")

import sentencepiece
from tokenizers import pre_tokenizers
from transformers import AutoConfig

from app.engine.torch.rendering import encode_pieces, render_text
from app.engine.torch.tokenizing import load_tokenizer
from tests.support.shared import shared
from tests.support.tiny_models import write_qwen2_tokenizer, write_sentencepiece

TEXTS = [
    *("Hello world", "  two  spaces\n\n\nand lines", " lead", "trail ", "a\tb  c", "### Response:", "x", ""),
    *("你好，世界 😀 龘", "naïve café", "123 45", "▁ itself", "def f(x):\n    return  x\n"),
]
BEGIN, END = 1, 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A LLaMA's, as published, but for the weights: no tokenizer.json."""
    write_sentencepiece(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    return tmp_path


def settings(folder: Path, **changes: Any) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def own_settings(folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()


def empty_marks(folder: Path) -> None:
    """As the first conversion on the hub has it; its class had a name that no version knows."""
    settings(folder, bos_token="", eos_token="", unk_token="", tokenizer_class="LLaMATokenizer", add_bos_token=None)


def wrong_marks(folder: Path) -> None:
    """As Alpaca's training script left it, with a row of its own for padding."""
    marks = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "[PAD]"}
    settings(folder, bos_token="", eos_token="", unk_token="")
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))
    (folder / "added_tokens.json").write_text('{"[PAD]": 600}')


@pytest.mark.parametrize("change", [None, own_settings, empty_marks, wrong_marks])
def test_a_sentencepiece_model_encodes_as_sentencepiece_does(folder: Path, change: Any) -> None:
    if change is not None:
        change(folder)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    tokenizer = load_tokenizer(folder, "llama")
    for text in TEXTS:
        assert tokenizer(text)["input_ids"] == [BEGIN, *pieces.encode(text)], text
        assert tokenizer.decode(pieces.encode(text)) == pieces.decode(pieces.encode(text))
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (BEGIN, END, 0)
    assert len(tokenizer) == (601 if change is wrong_marks else 600)


def test_the_published_llamas_too(tmp_path: Path) -> None:
    """Its merges are ranked by scores that ids do not follow."""
    shutil.copy(shared("golden/llama/tokenizer.model"), tmp_path / "tokenizer.model")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    tokenizer = load_tokenizer(tmp_path, "llama")
    chance = random.Random(7)
    parts = ["a", "the ", " ", "  ", "\n", "\t", "ing", "你", "好", "😀", "龘", "1", "23", ".", "é", "▁", "{", "def "]
    random_texts = ["".join(chance.choices(parts, k=chance.randrange(30))) for _ in range(300)]
    for text in TEXTS + random_texts:
        assert tokenizer(text)["input_ids"] == [BEGIN, *pieces.encode(text)], repr(text)


@pytest.mark.parametrize("legacy", [None, True, False])
def test_a_mark_in_a_text_is_one_token_and_begins_stand_once(tmp_path: Path, legacy: bool | None) -> None:
    """After a mark, SentencePiece begins a new text; with `legacy` false the one before it goes on."""
    write_sentencepiece(tmp_path, legacy=legacy)
    tokenizer = load_tokenizer(tmp_path, "llama")
    _, ids = render_text(tokenizer, "USER: a ASSISTANT: b</s>USER: c ASSISTANT:", "")
    assert (ids.count(BEGIN), ids.count(END)) == (1, 1)
    following = tokenizer.convert_ids_to_tokens(ids[ids.index(END) + 1])
    assert following.startswith("▁") == (legacy is not False)
    _, begun = render_text(tokenizer, "<s>river", "")
    assert begun.count(BEGIN) == 1


def test_a_tokenizer_json_is_used_as_it_is(folder: Path) -> None:
    """transformers' own class would take the merges out of it and leave the rest."""
    first = load_tokenizer(folder, "llama")
    first.save_pretrained(folder / "saved")
    (folder / "tokenizer.model").unlink()
    again = load_tokenizer(folder / "saved", "llama")
    assert [again(text)["input_ids"] for text in TEXTS] == [first(text)["input_ids"] for text in TEXTS]
    assert again.chat_template == first.chat_template


def test_other_families_keep_theirs(tmp_path: Path) -> None:
    write_qwen2_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    tokenizer = load_tokenizer(tmp_path, AutoConfig.from_pretrained(tmp_path).model_type)
    assert tokenizer.decode(tokenizer("<|im_start|>user\nriver  你好<|im_end|>")["input_ids"]) == (
        "<|im_start|>user\nriver  你好<|im_end|>"
    )


@pytest.mark.parametrize("scheme", ["first", "always", "never", "published"])
def test_a_prompt_in_pieces_has_the_tokens_that_it_has_in_one(folder: Path, scheme: str) -> None:
    tokenizer = load_tokenizer(folder, "llama")
    if scheme != "published":
        tokenizer.backend_tokenizer.normalizer = None
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    pieces: list[int | str] = [BEGIN, "USER: hello there", END, "two  words", END]
    text = "<s>USER: hello there</s>two  words</s>"
    assert encode_pieces(tokenizer, pieces) == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert encode_pieces(tokenizer, pieces[1:]) == tokenizer(text[3:], add_special_tokens=False)["input_ids"]
    spelled = encode_pieces(tokenizer, [BEGIN, "one</s>two<s>", END])
    assert (spelled.count(BEGIN), spelled.count(END)) == (1, 1)
