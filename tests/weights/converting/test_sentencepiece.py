"""SentencePiece models: read as SentencePiece reads them; a damaged one is refused, whatever is wrong with it."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from app.errors import DamagedWeights
from app.weights.converting.tokenizers.sentencepiece import BPE, read_sentencepiece
from tests.support.sentencepiece_files import LLAMA_PIECES, message, model, number, piece, varint
from tests.support.shared import shared


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokenizer.model"


def test_tokens_scores_types_and_preparation(file: Path) -> None:
    file.write_bytes(model(dummy_prefix=False, charsmap=b"x\0y"))
    found = read_sentencepiece(file)
    assert [(one.text, one.score, one.kind) for one in found.pieces] == list(LLAMA_PIECES)
    assert (found.model_type, found.byte_fallback, found.charsmap) == (BPE, True, b"x\0y")
    assert (found.add_dummy_prefix, found.remove_extra_whitespaces, found.escape_whitespaces) == (False, False, True)


def test_what_is_not_said_is_as_the_format_assumes(file: Path) -> None:
    file.write_bytes(message(1, piece("a", 1.5, 1)))
    found = read_sentencepiece(file)
    assert (found.add_dummy_prefix, found.remove_extra_whitespaces, found.byte_fallback) == (True, True, False)


def test_llamas_own(file: Path) -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    path = shared("golden/llama/tokenizer.model")
    found, reference = read_sentencepiece(path), sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert [one.text for one in found.pieces] == [reference.id_to_piece(i) for i in range(reference.vocab_size())]
    assert [one.score for one in found.pieces] == [reference.get_score(i) for i in range(reference.vocab_size())]
    assert [i for i, one in enumerate(found.pieces) if one.kind == 6] == list(range(3, 259))
    assert (found.model_type, found.byte_fallback, found.charsmap, found.remove_extra_whitespaces) == (
        2,
        True,
        b"",
        False,
    )


def test_cut_off_anywhere(file: Path) -> None:
    """Between two fields a cut can't be seen here: the model's embedding shows it then."""
    whole = model()
    refused = 0
    for end in range(0, len(whole), 13):
        file.write_bytes(whole[:end])
        try:
            read_sentencepiece(file)
        except DamagedWeights:
            refused += 1
    assert refused > len(whole) // 13 * 0.9


def test_flipped_bits_end_in_a_model_or_in_a_refusal(file: Path) -> None:
    chance = random.Random(12)
    for _ in range(200):
        data = bytearray(model())
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        with contextlib.suppress(DamagedWeights):
            read_sentencepiece(file)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it has no tokens"),
        (message(1, piece("a", float("nan"), 1)), "no score"),
        (message(1, piece("a", 0.0, 9)), "type that is not known"),
        (message(1, message(1, b"\xff\xfe")), "UTF-8"),
        (message(1, number(1, 5)), "a number where a text"),
        (message(2, message(3, b"x")), "a text where a number"),
        (varint(1 << 3 | 2) + varint(1 << 40), "cut off"),
        (b"\x80" * 11, "does not end"),
        (varint(5 << 3 | 3), "has the type 3"),
        (b"IQ== 0\nIg== 1\n", "Download it again"),  # LLaMA 3's vocabulary, which is of another kind
    ],
)
def test_damage_is_told(file: Path, data: bytes, reason: str) -> None:
    file.write_bytes(data)
    with pytest.raises(DamagedWeights, match=reason):
        read_sentencepiece(file)


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(DamagedWeights, match=r"tokenizer\.model can't be read"):
        read_sentencepiece(file)
