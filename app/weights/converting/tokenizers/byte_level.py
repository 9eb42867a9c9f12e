"""Reads a byte-level BPE vocabulary like GPT-2's (LLaMA 3, Qwen, SmolLM2, BLOOM) from ``tokenizer.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.errors import DamagedWeights, InvalidImport
from app.weights.converting.config import as_list, as_table
from app.weights.converting.tokenizers.settings import FAST, MOST_TOKENS, Settings
from app.weights.converting.tokenizers.words import pre_tokenizer_name
from app.weights.converting.vocabulary import TokenType, Vocabulary


def read(settings: Settings) -> Vocabulary:
    """The vocabulary without its added tokens. Raises :class:`InvalidImport`, :class:`DamagedWeights`."""
    model = as_table(settings.tokenizer.get("model"))
    for key in ("continuing_subword_prefix", "end_of_word_suffix", "dropout", "byte_fallback"):
        if model.get(key):
            raise InvalidImport(f"The tokenizer uses {key}, which llama.cpp does not support for this type.", file=FAST)
    tokens = by_id(model)
    add_bos, add_eos = ends_added(settings)
    return Vocabulary(
        model="gpt2",
        tokens=tokens,
        types=[TokenType.NORMAL if token else TokenType.UNUSED for token in tokens],
        merges=[f"{left} {right}" for left, right in pairs(model)],
        pre=pre_tokenizer_name(settings.tokenizer),
        add_bos=add_bos,
        add_eos=add_eos,
    )


def by_id(model: Mapping[str, Any]) -> list[str]:
    """The tokens of a BPE model by id, "" for unused ids. Raises :class:`DamagedWeights`."""
    table = model.get("vocab")
    if model.get("type", "BPE") != "BPE" or not isinstance(table, dict) or not table:
        raise DamagedWeights("tokenizer.json holds no BPE vocabulary. Download it again.", file=FAST)
    ids = list(table.values())
    if not all(type(token) is int and 0 <= token < MOST_TOKENS for token in ids) or len(set(ids)) != len(ids):
        raise DamagedWeights("tokenizer.json numbers its tokens wrongly. Download it again.", file=FAST)
    tokens = [""] * (max(ids) + 1)
    for text, token in table.items():
        tokens[token] = text
    return tokens


def pairs(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The merges in order, stored as "left right" or as two strings. Raises :class:`DamagedWeights`."""
    for merge in as_list(model.get("merges")):
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(p, str) and p for p in parts):
            raise DamagedWeights("tokenizer.json has an invalid merge. Download it again.", file=FAST)
        yield parts[0], parts[1]


def ends_added(settings: Settings) -> tuple[bool, bool]:
    """Whether bos and eos are added to a text: by tokenizer_config.json, else by tokenizer.json's post-processor."""
    flags = settings.flags
    if "add_bos_token" in flags or "add_eos_token" in flags:
        return bool(flags.get("add_bos_token")), bool(flags.get("add_eos_token"))
    pieces = list(_template(settings.tokenizer.get("post_processor")))
    text = pieces.index("A") if "A" in pieces else 0
    return bool(pieces[:text]), bool(pieces[text + 1 :])


def _template(processor: object) -> Iterator[str]:
    """A post-processor's template for a single text "A"."""
    found = as_table(processor)
    for inner in as_list(found.get("processors")):
        yield from _template(inner)
    if found.get("type") == "TemplateProcessing":
        for piece in as_list(found.get("single")):
            for entry in as_table(piece).values():
                yield str(as_table(entry).get("id"))
