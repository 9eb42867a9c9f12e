"""Real vocabularies and real weights: LLaMA's own tokenizer, and SmolLM2 taken apart and put together again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")
sentencepiece = pytest.importorskip("sentencepiece", reason="needs the extra torch")

from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from app.engine.torch.tokenizing import load_tokenizer  # noqa: E402
from app.errors import InvalidImport  # noqa: E402
from app.weights.converting.convert import quantize  # noqa: E402
from tests.support.corpus import CORPUS, LEADING_SPACES  # noqa: E402
from tests.support.dequantize import to_hugging_face  # noqa: E402
from tests.support.llama_cpp import LlamaCpp, llama_cpp  # noqa: E402
from tests.support.shared import shared  # noqa: E402
from tests.support.tiny_models import tiny_llama  # noqa: E402

CHAT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
SPACE = "\u2581"


def write(folder: Path, to: str) -> Path:
    return quantize(folder, to, lambda _: None, lambda: False)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with LLaMA's own vocabulary, and Alpaca's token behind it."""
    folder = tiny_llama(tmp_path_factory.mktemp("llama") / "tiny", vocab_size=32001)
    shutil.copyfile(shared("golden/llama/tokenizer.model"), folder / "tokenizer.model")
    (folder / "added_tokens.json").write_text(json.dumps({"[PAD]": 32000}))
    return folder


def test_llamas_tokens_are_those_of_sentencepiece_in_both_engines(llama: Path) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_file=str(llama / "tokenizer.model"))
    engine = load_tokenizer(llama, "llama")
    with llama_cpp(write(llama, "f16")) as running:
        for text in (*CORPUS, *LEADING_SPACES):
            assert running.tokenize(text) == reference.encode(text, add_bos=True), text
            assert running.tokenize(text) == engine.encode(text), text
        assert running.tokenize("[PAD]") == [1, 32000]


def _fast_tokenizer(reference: Any) -> dict[str, Any]:
    """tokenizer.json as transformers made it of LLaMA's model in its fourth version: merges in the order of scores."""
    pieces = {reference.id_to_piece(i): i for i in range(reference.vocab_size())}
    score = {piece: reference.get_score(i) for piece, i in pieces.items()}
    merges = [
        (score[piece], cut, f"{piece[:cut]} {piece[cut:]}")
        for piece in pieces
        if not reference.is_byte(pieces[piece])
        for cut in range(1, len(piece))
        if piece[:cut] in pieces and piece[cut:] in pieces
    ]
    merges.sort(key=lambda merge: -merge[0])
    marks = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    begin = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": text} | marks for i, text in enumerate(("<unk>", "<s>", "</s>"))],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": SPACE},
                {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": begin,
            "pair": begin,
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": None,
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": pieces,
            "merges": [text for _, _, text in merges],
        },
    }


def test_llamas_tokens_out_of_tokenizer_json(llama: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    reference = sentencepiece.SentencePieceProcessor(model_file=str(llama / "tokenizer.model"))
    folder = tmp_path / "fast"
    shutil.copytree(llama, folder, ignore=shutil.ignore_patterns("*.gguf", "*.model", "added_tokens.json", "SHA*"))
    fast = _fast_tokenizer(reference)
    (folder / "tokenizer.json").write_text(json.dumps(fast))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with llama_cpp(write(folder, "f16")) as running:
        for text in (*CORPUS, *LEADING_SPACES):
            assert running.tokenize(text) == tokenizer.encode(text).ids == reference.encode(text, add_bos=True), text
    # One merge less, and joining by score is no longer the same.
    fast["model"]["merges"].remove(f"{SPACE} the")
    (folder / "tokenizer.json").write_text(json.dumps(fast))
    with pytest.raises(InvalidImport, match="not all that its tokens allow"):
        write(folder, "f16")


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory, default_weights: Path) -> Path:
    return to_hugging_face(default_weights, tmp_path_factory.mktemp("smollm2") / "smollm2")


@pytest.fixture(scope="module")
def written(smollm2: Path, default_weights: Path) -> Iterator[dict[str, LlamaCpp]]:
    """The model as it was published, and as it was written in each format."""
    with ExitStack() as stack:
        found = {to: stack.enter_context(llama_cpp(write(smollm2, to))) for to in ("f16", "q8_0", "q4_0")}
        yield {"published": stack.enter_context(llama_cpp(default_weights)), **found}


@pytest.mark.slow
def test_smollm2s_tokens_are_those_of_transformers(smollm2: Path, written: dict[str, LlamaCpp]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    for text in (*CORPUS, *LEADING_SPACES, CHAT):
        expected = tokenizer.encode(text)
        for name, running in written.items():
            assert running.tokenize(text) == expected, (name, text)


@pytest.mark.slow
def test_smollm2s_words_are_those_of_transformers(smollm2: Path, written: dict[str, LlamaCpp]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    ids = tokenizer.encode(CHAT)
    ends = [
        tokenizer.convert_tokens_to_ids(text) for text in ("<|im_end|>", "<|endoftext|>", "<repo_name>", "<file_sep>")
    ]
    with torch.no_grad():
        expected = torch.log_softmax(model(torch.tensor([ids])).logits[0, -1], -1)
        found = model.generate(
            torch.tensor([ids]), max_new_tokens=16, do_sample=False, suppress_tokens=ends, eos_token_id=None
        )
    words = found[0].tolist()[len(ids) :]
    assert "Paris" in tokenizer.decode(words)
    assert written["f16"].greedy(ids, 16) == words
    for name, tolerance in (("f16", 0.02), ("q8_0", 0.2), ("q4_0", 3.0)):
        likeliest = list(written[name].logprobs(ids, 5).items())
        assert abs(likeliest[0][1] - expected[likeliest[0][0]].item()) < tolerance, name
        assert "Paris" in tokenizer.decode(written[name].greedy(ids, 16)), name


@pytest.mark.slow
def test_sizes_of_smollm2s_files(smollm2: Path, written: dict[str, LlamaCpp]) -> None:
    """4.5 and 8.5 bits a number; the embedding, which is the output too, has 8.5."""
    embedding = 49152 * 576
    numbers = sum(t.numel() for name, t in load_file(smollm2 / "model.safetensors").items()) - embedding
    for to, bits in (("f16", 16.0), ("q8_0", 8.5), ("q4_0", 4.5)):
        size = (smollm2 / f"smollm2-{to}.gguf").stat().st_size
        expected = numbers * bits / 8 + embedding * max(bits, 8.5) / 8
        assert expected < size < expected + 3e6  # vocabulary and norms
