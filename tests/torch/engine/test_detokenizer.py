"""Pieces joined are the whole decoded at once, for every kind of tokenizer."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra torch")

from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from app.engine.torch.detokenizer import Detokenizer
from tests.torch.engine import tiny

PIECES = ["😀", "你", "ñ", "안", "龘", "x", " ", " he", "llo", "  ", ".", " river", "</s>", "<s>"]


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """As LLaMA's: ▁ for blanks, bytes for what it does not know, the first blank dropped."""
    words = ("▁", "▁he", "llo", "▁▁", "x", "你", "▁river")
    pieces = ("<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), *words)
    vocabulary = {piece: n for n, piece in enumerate(pieces)}
    core = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>"))
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>")


class Tidying:
    """A tokenizer that mends the blanks before punctuation, as ChatGLM-6B's does."""

    clean_up_tokenization_spaces = True
    all_special_ids = (0,)
    pieces = ("", "we", " ", " .", " ,", " n't", "'", "re", " ' s", "x", "!", " !", "  ?")

    def decode(self, ids: Any, *, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        text = "".join(self.pieces[n] for n in ids)
        return PreTrainedTokenizerFast.clean_up_tokenization(None, text)  # type: ignore[arg-type,no-any-return]


def ids_of(tokenizer: Any, piece: str, chance: random.Random) -> list[int]:
    vocabulary = tokenizer.get_vocab()
    if piece in ("</s>", "<s>"):
        return [vocabulary[piece]]
    if "<0x00>" not in vocabulary:
        return tokenizer(piece, add_special_tokens=False).input_ids  # type: ignore[no-any-return]
    whole = vocabulary.get(piece.replace(" ", "▁"))
    return [whole] if whole and chance.random() < 0.7 else [vocabulary[f"<0x{byte:02X}>"] for byte in piece.encode()]


def streamed(tokenizer: Any, ids: list[int]) -> str:
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.push(token) for token in ids]
    assert not any("\ufffd" in piece for piece in pieces)
    return "".join(pieces) + detokenizer.flush()


@pytest.mark.parametrize("make", [tiny.tokenizer, sentencepiece_like])
def test_text_is_the_whole_decoded(make: Any) -> None:
    tokenizer, chance = make(), random.Random(2)
    for _ in range(400):
        pieces = chance.choices(PIECES, k=chance.randrange(1, 14))
        ids = [token for piece in pieces for token in ids_of(tokenizer, piece, chance)]
        assert streamed(tokenizer, ids) == tokenizer.decode(ids, skip_special_tokens=True)


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    tokenizer, chance = tiny.tokenizer(), random.Random(3)
    for _ in range(400):
        ids = [chance.randrange(len(tokenizer)) for _ in range(30)]
        detokenizer = Detokenizer(tokenizer)
        text = "".join(detokenizer.push(token) for token in ids) + detokenizer.flush()
        assert text.rstrip("\ufffd") == tokenizer.decode(ids, skip_special_tokens=True).rstrip("\ufffd")


def test_tidied_blanks_are_waited_for() -> None:
    tokenizer, chance = Tidying(), random.Random(4)
    for _ in range(2000):
        ids = chance.choices(range(len(tokenizer.pieces)), k=chance.randrange(1, 12))
        assert streamed(tokenizer, ids) == tokenizer.decode(ids, skip_special_tokens=True)


def test_half_a_character_is_held_back_and_dropped_at_the_end() -> None:
    tokenizer = tiny.tokenizer()
    detokenizer = Detokenizer(tokenizer)
    first, *rest = tokenizer("😀", add_special_tokens=False).input_ids
    assert len(rest) == 3
    assert [detokenizer.push(token) for token in (first, *rest, first)] == ["", "", "", "😀", ""]
    assert detokenizer.flush() == ""


@pytest.mark.parametrize("make", [tiny.tokenizer, sentencepiece_like])
def test_a_token_costs_the_same_however_long_the_reply(make: Any) -> None:
    tokenizer = make()
    byte = tokenizer("\x80", add_special_tokens=False).input_ids[:1] or [tokenizer.convert_tokens_to_ids("<0x80>")]
    detokenizer = Detokenizer(tokenizer)
    token = tokenizer.convert_tokens_to_ids("x")

    def seconds(tokens: list[int]) -> float:
        began = time.perf_counter()
        for each in tokens:
            detokenizer.push(each)
        return time.perf_counter() - began

    early = min(seconds([token] * 100) for _ in range(5))
    seconds([token] * 3000 + byte * 3000 + [token] * 100)
    assert min(seconds([token] * 100) for _ in range(5)) < 5 * early
    assert len(detokenizer._window) <= 65


def test_tags_of_reasoning_are_text_though_they_are_special_tokens() -> None:
    tokenizer = sentencepiece_like()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]", "[INST]"]})
    ids = tokenizer.convert_tokens_to_ids(["[THINK]", "▁he", "llo", "[/THINK]", "[INST]", "x", "</s>"])
    assert streamed(tokenizer, ids) == "[THINK]hello[/THINK]x"
