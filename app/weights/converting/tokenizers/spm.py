"""Reads LLaMA's SentencePiece BPE vocabulary from ``tokenizer.model`` or a ``tokenizer.json`` derived from it.

llama.cpp tokenizes with it exactly as SentencePiece does: pairs are merged by score, unknown characters fall back to
bytes, and a space is added before a text and after a special token.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from app.errors import InvalidImport
from app.weights.converting.config import as_list, as_table
from app.weights.converting.tokenizers.byte_level import by_id, ends_added, pairs
from app.weights.converting.tokenizers.sentencepiece import BPE, SentencePiece, read_sentencepiece
from app.weights.converting.tokenizers.settings import FAST, MODEL, Settings
from app.weights.converting.vocabulary import TokenType, Vocabulary

_SPACE = "\u2581"
_MAX_TOKEN_CHARS = 256


def read_model(settings: Settings) -> Vocabulary:
    """Read ``tokenizer.model``. Raises :class:`InvalidImport`, :class:`DamagedWeights`."""
    found = read_sentencepiece(settings.folder / MODEL)
    for problem in _problems(found):
        raise InvalidImport(f"llama.cpp would not split text like this tokenizer.model: it {problem}.", file=MODEL)
    ids = {piece.text: i for i, piece in enumerate(found.pieces)}
    return Vocabulary(
        model="llama",
        tokens=[piece.text for piece in found.pieces],
        types=[TokenType(piece.kind) for piece in found.pieces],
        scores=[piece.score for piece in found.pieces],
        space_prefix=found.add_dummy_prefix and settings.flags.get("add_prefix_space") is not False,
        bos=ids.get("<s>"),
        eos=ids.get("</s>"),
        unk=next((i for i, piece in enumerate(found.pieces) if piece.kind == TokenType.UNKNOWN), None),
        add_bos=bool(settings.flags.get("add_bos_token", True)),
        add_eos=bool(settings.flags.get("add_eos_token", False)),
    )


def _problems(found: SentencePiece) -> Iterator[str]:
    """The settings that llama.cpp does not support."""
    if found.model_type != BPE:
        yield "is a unigram model, not BPE"
    if not found.byte_fallback:
        yield "has no byte fallback for unknown characters"
    if found.charsmap:
        yield "replaces characters before splitting"
    if found.remove_extra_whitespaces or not found.escape_whitespaces or found.treat_whitespace_as_suffix:
        yield "treats spaces differently"


def read_json(settings: Settings) -> Vocabulary:
    """Read ``tokenizer.json``. Raises :class:`InvalidImport`, :class:`DamagedWeights`.

    Scores are derived from the order of its merges. For the two to be equivalent, every pair of tokens that joins to a
    third must be a merge, as is the case for merges derived from a SentencePiece model.
    """
    model = as_table(settings.tokenizer.get("model"))
    if not model.get("byte_fallback"):
        raise _unlike("it has no byte fallback for unknown characters")
    tokens = by_id(model)
    scores = _scores(model, tokens)
    add_bos, add_eos = ends_added(settings)
    unknown = model.get("unk_token")
    return Vocabulary(
        model="llama",
        tokens=tokens,
        types=[_kind(token, unknown) for token in tokens],
        scores=[scores.get(token, 0.0) for token in tokens],
        space_prefix=_space_prefix(settings.tokenizer),
        unk=tokens.index(unknown) if unknown in tokens else None,
        add_bos=add_bos,
        add_eos=add_eos,
    )


def _scores(model: Mapping[str, Any], tokens: list[str]) -> dict[str, float]:
    """A score for each token made by a merge: the earlier the merge, the higher."""
    merges = list(pairs(model))
    scores: dict[str, float] = {}
    for left, right in merges:
        scores.setdefault(left + right, -float(len(scores)))
    order = [scores[left + right] for left, right in merges]
    if any(after > before for before, after in itertools.pairwise(order)):
        raise _unlike("its merges give the same token different ranks")
    known, listed = set(tokens), set(merges)
    for token in scores:
        for cut in range(1, min(len(token), _MAX_TOKEN_CHARS)):
            if token[:cut] in known and token[cut:] in known and (token[:cut], token[cut:]) not in listed:
                raise _unlike("its merges are not all that its tokens allow")
    return scores


def _kind(token: str, unknown: object) -> TokenType:
    if token == unknown:
        return TokenType.UNKNOWN
    if not token:
        return TokenType.UNUSED
    return TokenType.BYTE if len(token) == 6 and token.startswith("<0x") and token.endswith(">") else TokenType.NORMAL


def _space_prefix(tokenizer: Mapping[str, Any]) -> bool:
    """Whether a space is added before a text; two generations of transformers store it differently."""
    cut, change = tokenizer.get("pre_tokenizer"), tokenizer.get("normalizer")
    mark = as_table(cut)
    if change is None and mark.get("type") == "Metaspace" and not mark.get("split", True):
        return bool(mark.get("prepend_scheme", "always") != "never")
    steps = [as_table(step) for step in as_list(as_table(change).get("normalizers", [change]))] if cut is None else []
    match [step.get("type") for step in steps]:
        case ["Prepend", "Replace"] if steps[0].get("prepend") == _SPACE:
            return True
        case ["Replace"]:
            return False
    raise _unlike("its normalizer is not SentencePiece's")


def _unlike(reason: str) -> InvalidImport:
    return InvalidImport(
        f"llama.cpp would not split text like this tokenizer.json: {reason}. Add the model's tokenizer.model, "
        "or run the model in PyTorch.",
        file=FAST,
    )
