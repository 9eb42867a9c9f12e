"""Loads the tokenizer of a model's folder, with the tokenization that the model was trained with.

LLaMA's is a SentencePiece model. transformers' LlamaTokenizer rebuilds the tokenizer differently: it ranks merges by id
where SentencePiece ranks them by score, drops the space prefix before a leading space, and adds no ``<s>`` by default.
So "two  spaces" would become other tokens than in training. PreTrainedTokenizerFast reads this file, or a
``tokenizer.json``, as it is; settings that are missing or wrong in published folders are corrected here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

_LLAMA_LIKE = ("llama", "mistral")
_SETTINGS = ("tokenizer_config.json", "special_tokens_map.json")  # the later one takes precedence
_SENTENCEPIECE = b"\n"  # first byte of such a file; Llama 3's tokenizer.model is lines of Base64
_SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token")


def load_tokenizer(folder: Path, model_type: str) -> Any:
    """The tokenizer of the model in `folder`. Raises :class:`ValueError` and :class:`OSError`."""
    if model_type not in _LLAMA_LIKE:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if (folder / "tokenizer.json").is_file():
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    if _is_sentencepiece(folder / "tokenizer.model"):
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True, **_corrections(folder))
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _is_sentencepiece(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(1) == _SENTENCEPIECE


def _corrections(folder: Path) -> dict[str, Any]:
    """Corrections of missing or wrong settings: early conversions of LLaMA left special tokens empty or equal."""
    settings: dict[str, Any] = {}
    for name in _SETTINGS:
        if (folder / name).is_file():
            settings |= json.loads((folder / name).read_text(encoding="utf-8"))
    corrected: dict[str, Any] = {}
    if settings.get("add_bos_token") is None:
        corrected["add_bos_token"] = True
    tokens = [_text(settings.get(token)) for token in _SPECIAL_TOKENS]
    if not all(tokens) or len(set(tokens)) < len(tokens):
        pieces = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        ids = (pieces.bos_id(), pieces.eos_id(), pieces.unk_id())
        corrected |= {
            token: pieces.id_to_piece(number) for token, number in zip(_SPECIAL_TOKENS, ids, strict=True) if number >= 0
        }
    return corrected


def _text(token: object) -> str:
    """The text of a special token, in either of the two notations used in settings."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else ""
