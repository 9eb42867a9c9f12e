"""Identifies a byte-level tokenizer's pre-tokenizer (how it splits text into words) by llama.cpp's name for it.

A GGUF file has only a pre-tokenizer's name (``tokenizer.ggml.pre``); the patterns are built into llama.cpp. A model
with a wrong name seems to work but tokenizes numbers or spaces wrongly, so only exact matches are accepted. The
patterns are those of published tokenizers, the names those of llama.cpp's ``llama-vocab.cpp``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.errors import InvalidImport
from app.weights.converting.config import as_list, as_table

_DIGITS = "digits"  # each digit on its own

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = _SHORT + r"\p{N}" + _REST
LLAMA3 = _SHORT + r"\p{N}{1,3}" + _REST
QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BLOOM = " ?[^(\\s|[.,!?…。，、।۔،])]+"

# Key: the patterns in order, and ``ignore_merges`` (a word that is a token is used whole, whatever the merges).
_NAMES: Mapping[tuple[tuple[str, ...], bool], str] = {
    ((GPT2,), False): "gpt-2",
    ((_DIGITS, GPT2), False): "smollm",
    ((QWEN2,), False): "qwen2",
    ((QWEN35,), False): "qwen35",
    ((LLAMA3,), True): "llama-bpe",
    ((LLAMA3,), False): "smaug-bpe",
    ((BLOOM,), False): "bloom",
}


def pre_tokenizer_name(tokenizer: Mapping[str, Any]) -> str:
    """llama.cpp's name of the pre-tokenizer in ``tokenizer.json``. Raises :class:`InvalidImport` for an unknown one."""
    normalizer = tokenizer.get("normalizer")
    kind = as_table(normalizer).get("type")
    if normalizer not in (None, _NOTHING) and kind != "NFC":
        # llama.cpp does not apply NFC, which leaves typed text unchanged anyway.
        raise _unknown(f"it normalizes text with {str(kind)[:40]}")
    cuts = tuple(_cuts(tokenizer.get("pre_tokenizer")))
    whole_words = bool(as_table(tokenizer.get("model")).get("ignore_merges"))
    name = _NAMES.get((cuts, whole_words))
    if name is None:
        raise _unknown(f"it splits words by {' and then '.join(cuts)[:300]!r}")
    return name


_NOTHING = {"type": "Sequence", "normalizers": []}


def _cuts(step: object) -> Iterator[str]:
    """The patterns of a step, which may be a sequence of steps."""
    found = as_table(step)
    kind, behavior = found.get("type"), found.get("behavior")
    pattern = as_table(found.get("pattern")).get("Regex")
    if kind == "Sequence" and as_list(found.get("pretokenizers")):
        for inner in found["pretokenizers"]:
            yield from _cuts(inner)
    elif kind == "Split" and behavior in ("Isolated", "Removed") and isinstance(pattern, str):
        if (behavior == "Removed") != bool(found.get("invert")):
            raise _unknown("it drops parts of the text")
        yield pattern
    elif kind == "Digits" and found.get("individual_digits"):
        yield _DIGITS
    elif kind == "ByteLevel" and not found.get("add_prefix_space"):
        if found.get("use_regex", True):
            yield GPT2
    else:
        raise _unknown(f"it has a step {str(kind)[:40]!r} that splits differently")


def _unknown(reason: str) -> InvalidImport:
    return InvalidImport(
        f"llama.cpp would not split text like this tokenizer: {reason}. The model runs in PyTorch as it is, or from a "
        "GGUF file if one is published.",
        file="tokenizer.json",
    )
