"""Loads the tokenizer of a folder so that it encodes as the folder's own file says.

LLaMA's is a SentencePiece model. transformers' class of that name builds a tokenizer of its own from the file: it ranks
merges by id where SentencePiece ranks them by score, drops the space that comes before a leading space, and puts no
``<s>`` before a prompt unless it is told to. So "two  spaces" are other tokens than those that the model was trained
with. The general class reads the file as it is, a ``tokenizer.json`` likewise; what published folders left out or
got wrong in their settings is put right here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

_LLAMA_LIKE = ("llama", "mistral")
_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json")  # the later one has the last word
_SENTENCEPIECE = b"\n"  # its first byte: a list of pieces; Llama 3's tokenizer.model is lines of Base64
_MARKS = ("bos_token", "eos_token", "unk_token")


def load_tokenizer(folder: Path, model_type: str) -> Any:
    """The tokenizer of the model in `folder`. Raises :class:`ValueError` and :class:`OSError`."""
    if model_type not in _LLAMA_LIKE:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if (folder / "tokenizer.json").is_file():
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    if _is_sentencepiece(folder / "tokenizer.model"):
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True, **_put_right(folder))
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _is_sentencepiece(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(1) == _SENTENCEPIECE


def _put_right(folder: Path) -> dict[str, Any]:
    """Settings that are missing, or wrong: the first conversions of LLaMA named empty marks, or ``</s>`` for all."""
    settings: dict[str, Any] = {}
    for name in _SETTINGS:
        if (folder / name).is_file():
            settings |= json.loads((folder / name).read_text(encoding="utf-8"))
    right: dict[str, Any] = {}
    if settings.get("add_bos_token") is None:
        right["add_bos_token"] = True
    marks = [_text(settings.get(mark)) for mark in _MARKS]
    if not all(marks) or len(set(marks)) < len(marks):
        pieces = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        ids = (pieces.bos_id(), pieces.eos_id(), pieces.unk_id())
        right |= {mark: pieces.id_to_piece(number) for mark, number in zip(_MARKS, ids, strict=True) if number >= 0}
    return right


def _text(mark: object) -> str:
    """The text of a special token, in either of the two notations that settings have."""
    found = mark.get("content") if isinstance(mark, dict) else mark
    return found if isinstance(found, str) else ""
