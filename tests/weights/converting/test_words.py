"""How published tokenizers cut words, by the names that llama.cpp has for it; what it does not know is refused."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import InvalidImport
from app.weights.converting.tokenizers.words import pre_tokenizer_name

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(pattern: str, **changes: Any) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False} | changes


def tokenizer(*steps: dict[str, Any], normalizer: Any = None, **model: Any) -> dict[str, Any]:
    steps_ = steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": list(steps)}
    return {"normalizer": normalizer, "pre_tokenizer": steps_, "model": {"type": "BPE"} | model}


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (tokenizer(GPT2), "gpt-2"),
        (tokenizer({"type": "ByteLevel", "add_prefix_space": False}), "gpt-2"),
        (tokenizer({"type": "Digits", "individual_digits": True}, GPT2), "smollm"),
        (tokenizer(split(CONTRACTIONS + r"\p{N}" + REST), BYTES, normalizer={"type": "NFC"}), "qwen2"),
        (tokenizer(split(CONTRACTIONS + r"\p{N}{1,3}" + REST), BYTES, ignore_merges=True), "llama-bpe"),
        (tokenizer(split(CONTRACTIONS + r"\p{N}{1,3}" + REST), BYTES), "smaug-bpe"),
        (tokenizer(split(" ?[^(\\s|[.,!?…。，、।۔،])]+"), BYTES), "bloom"),
        (tokenizer(split(CONTRACTIONS + r"\p{N}" + REST, behavior="Removed", invert=True), BYTES), "qwen2"),
    ],
)
def test_known(found: dict[str, Any], name: str) -> None:
    assert pre_tokenizer_name(found) == name


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (tokenizer(split(r"\p{L}+|\p{N}{2}|."), BYTES), "splits words by"),
        (tokenizer(split(CONTRACTIONS + r"\p{N}" + REST), BYTES, ignore_merges=True), "splits words by"),
        (tokenizer({"type": "Digits", "individual_digits": False}, GPT2), "Digits"),
        (tokenizer(GPT2 | {"add_prefix_space": True}), "ByteLevel"),
        (tokenizer(split("x", behavior="Removed"), BYTES), "drops parts"),
        (tokenizer({"type": "Whitespace"}, BYTES), "Whitespace"),
        (tokenizer(GPT2, normalizer={"type": "Lowercase"}), "normalizes text with Lowercase"),
        (tokenizer(GPT2, normalizer=7), "normalizes text"),
        ({"pre_tokenizer": "ByteLevel", "model": {}}, "a step"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": 3}}, "a step"),
    ],
)
def test_unknown(found: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidImport, match=rf"llama\.cpp would not split text like this tokenizer.*{reason}"):
        pre_tokenizer_name(found)
