"""Creates Hugging Face's tokenizer files from Meta's ``tokenizer.model``.

That file is a SentencePiece model: tokens with scores, where the pair with the highest score is merged first. A
``tokenizer.json`` has an ordered list of merges instead. Some loaders derive it from the order of the ids, which
differs from the scores for runs of spaces; so it is created here, from the scores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.errors import InvalidImport
from app.weights.converting.tokenizers.sentencepiece import BPE, Piece, read_sentencepiece

_SPACE = "\u2581"
_NORMAL, _CONTROL = 1, 3
_MARKS = ("<unk>", "<s>", "</s>")
_TIKTOKEN = re.compile(rb"[A-Za-z0-9+/]+={0,2} \d+\r?\n")

# The prompt format of Llama 2's chat models: [INST] … [/INST], with the system prompt in the first user message.
CHAT_TEMPLATE = (
    "{% set first = 1 if messages[0].role == 'system' else 0 %}"
    "{% for message in messages[first:] %}"
    "{% if message.role == 'user' %}"
    "{{ bos_token }}[INST] "
    "{% if loop.first and first %}{{ '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' }}{% endif %}"
    "{{ message.content | trim }} [/INST]"
    "{% else %}{{ ' ' + message.content | trim + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)


def refuse_llama3(tokenizer: Path) -> None:
    """Raise :class:`InvalidImport` for LLaMA 3's text file of the same name."""
    with tokenizer.open("rb") as file:
        begin = file.read(256)
    if _TIKTOKEN.match(begin):
        raise InvalidImport(
            f"{tokenizer} is that of LLaMA 3, whose special tokens and word patterns are in Meta's program and not in "
            "a file. Download the same model in Hugging Face's layout (config.json, tokenizer.json, safetensors)."
        )


def tokenizer_files(tokenizer: Path, context_tokens: int, chat_template: str = "") -> dict[str, str]:
    """``tokenizer.json`` and ``tokenizer_config.json``. Raises :class:`~app.errors.DamagedWeights` and
    :class:`InvalidImport` for a file that is none of LLaMA's.
    """
    found = read_sentencepiece(tokenizer)
    texts = [piece.text for piece in found.pieces]
    if found.model_type != BPE or not found.byte_fallback or tuple(texts[:3]) != _MARKS:
        raise InvalidImport(f"{tokenizer} is not the tokenizer of a LLaMA. Replace it with the right one.")
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",  # uses tokenizer.json unchanged; LlamaTokenizer does not
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": None,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context_tokens,
    }
    if chat_template:
        settings["chat_template"] = chat_template
    return {
        "tokenizer.json": json.dumps(_fast(found.pieces), ensure_ascii=False),
        "tokenizer_config.json": json.dumps(settings, indent=2),
    }


def merges(pieces: Sequence[Piece]) -> list[tuple[str, str]]:
    """All pairs of tokens that merge to a third, by SentencePiece's priority.

    For equal scores SentencePiece merges from left to right, so that a run of spaces grows at its end: the pair with
    the longest left side comes first.
    """
    scores = {piece.text: piece.score for piece in pieces if piece.kind == _NORMAL}
    found = [
        (score, text[:cut], text[cut:])
        for text, score in scores.items()
        for cut in range(1, len(text))
        if text[:cut] in scores and text[cut:] in scores
    ]
    found.sort(key=lambda one: (-one[0], -len(one[1]), -len(one[2])))
    return [(left, right) for _, left, right in found]


def _fast(pieces: Sequence[Piece]) -> dict[str, Any]:
    """A ``tokenizer.json``. Format: https://huggingface.co/docs/tokenizers."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    marks = [(i, piece.text) for i, piece in enumerate(pieces) if piece.kind == _CONTROL or piece.text == _MARKS[0]]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": text, **flags} for i, text in marks],
        # A space before every text, even one that begins with spaces, where "Metaspace" would not add it.
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": _SPACE},
                {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<s>", "type_id": 1}},
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece.text: i for i, piece in enumerate(pieces)},
            "merges": [list(pair) for pair in merges(pieces)],
        },
    }
