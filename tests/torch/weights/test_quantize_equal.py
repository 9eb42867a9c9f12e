"""A model rewritten for llama.cpp is the same model: same tokens, same probabilities, same words."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")
pytest.importorskip("xllamacpp", reason="needs the extra llama")

from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from app.engine.torch.tokenizing import load_tokenizer  # noqa: E402
from app.weights.converting.convert import quantize  # noqa: E402
from app.weights.formats.gguf import read_header  # noqa: E402
from tests.support.corpus import CORPUS, LEADING_SPACES  # noqa: E402
from tests.support.dequantize import hugging_face_tensors  # noqa: E402
from tests.support.llama_cpp import LlamaCpp, llama_cpp  # noqa: E402
from tests.support.tiny_models import tiny_bloom, tiny_llama, tiny_llama3, tiny_qwen2, tiny_qwen3  # noqa: E402

_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128, "rope_theta": 10000.0}
MODELS = {
    "llama": tiny_llama,
    "llama tied, all heads alike": partial(tiny_llama, tie_word_embeddings=True, num_key_value_heads=4),
    "llama with biases and wide heads": partial(tiny_llama, attention_bias=True, mlp_bias=True, head_dim=32),
    "llama3": tiny_llama3,
    "llama stretched": partial(tiny_llama, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}),
    "qwen2": tiny_qwen2,
    "qwen2 tied, yarn": partial(tiny_qwen2, tie_word_embeddings=True, rope_parameters=_YARN),
    "qwen3": tiny_qwen3,
    "bloom": tiny_bloom,
    "bloom with six heads": partial(tiny_bloom, hidden_size=96, n_head=6),
}
PROMPTS = ["The river flows down from", "今天天气很好", "def add(a, b):\n    return", "Ein 😀 für 12 км, λ"]
NEW_TOKENS = 40
# llama.cpp looks BLOOM's activation up in a table of half precision; everything else is computed as it is.
LOG_TOLERANCE = {"bloom": 3e-3}


def write(folder: Path, to: str) -> Path:
    return quantize(folder, to, lambda _: None, lambda: False)


@dataclass
class Pair:
    """One model on both sides."""

    name: str
    folder: Path
    tokenizer: Any
    model: Any
    llama_cpp: LlamaCpp

    def greedy(self, ids: list[int], tokens: int) -> list[int]:
        """What transformers writes, and not one of the tokens that end a reply."""
        ends = [i for text in ("</s>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>") if (i := self.id(text)) is not None]
        found = self.model.generate(
            torch.tensor([ids]), max_new_tokens=tokens, do_sample=False, suppress_tokens=ends or None, eos_token_id=None
        )
        return list(found[0].tolist()[len(ids) :])

    def id(self, text: str) -> int | None:
        return dict(self.tokenizer.get_vocab()).get(text)

    def logits(self, ids: list[int]) -> Any:
        with torch.no_grad():
            return self.model(torch.tensor([ids])).logits[0]


@pytest.fixture(scope="module", params=list(MODELS))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = MODELS[request.param](tmp_path_factory.mktemp("model") / "tiny")
    with llama_cpp(write(folder, "f32")) as running:
        tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
        yield Pair(request.param, folder, tokenizer, model.float().eval(), running)


def test_probabilities_are_those_of_transformers(pair: Pair) -> None:
    tolerance = LOG_TOLERANCE.get(pair.name.split()[0], 1e-4)
    for prompt in [*PROMPTS, " ".join(PROMPTS) * 3]:  # the last is longer than what YaRN and LLaMA 3 were trained with
        ids = pair.tokenizer.encode(prompt)[:200]
        expected = torch.log_softmax(pair.logits(ids)[-1], -1)
        found = pair.llama_cpp.logprobs(ids, 50)
        assert len(found) == 50
        assert max(abs(expected[i].item() - value) for i, value in found.items()) < tolerance


def test_the_likeliest_words_are_those_of_transformers(pair: Pair) -> None:
    for prompt in PROMPTS:
        ids = pair.tokenizer.encode(prompt)
        assert pair.llama_cpp.greedy(ids, NEW_TOKENS) == pair.greedy(ids, NEW_TOKENS)


@pytest.mark.parametrize("pair", ["llama", "llama3", "qwen2", "bloom"], indirect=True)
def test_tokens_are_those_of_transformers(pair: Pair) -> None:
    family = pair.name.split()[0]
    for text in CORPUS if family == "llama" else (*CORPUS, *LEADING_SPACES):
        assert pair.llama_cpp.tokenize(text) == pair.tokenizer.encode(text), text


@pytest.mark.parametrize("pair", ["llama"], indirect=True)
def test_tokens_out_of_tokenizer_json(pair: Pair, tmp_path: Path) -> None:
    """As today's transformers writes it, without the SentencePiece model that it was made from."""
    pair.model.save_pretrained(tmp_path / "saved")
    pair.tokenizer.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved" / "tokenizer.model").exists()
    with llama_cpp(write(tmp_path / "saved", "f16")) as running:
        for text in CORPUS:
            assert running.tokenize(text) == pair.tokenizer.encode(text), text


@pytest.mark.parametrize("pair", ["llama"], indirect=True)
def test_tokens_are_those_of_sentencepiece(pair: Pair) -> None:
    """Transformers joins a text's first space with the one that it puts before; the model was trained with both."""
    sentencepiece = pytest.importorskip("sentencepiece")
    reference = sentencepiece.SentencePieceProcessor(model_file=str(pair.folder / "tokenizer.model"))
    for text in (*CORPUS, *LEADING_SPACES):
        assert pair.llama_cpp.tokenize(text) == reference.encode(text, add_bos=True), text
    # A special token ends one text and begins another, as where a conversation was put together turn by turn.
    expected = [1, *reference.encode("Hi there"), 2, 1, *reference.encode("again")]
    assert pair.llama_cpp.tokenize("Hi there</s><s>again") == expected


@pytest.mark.parametrize("pair", ["llama", "llama3", "qwen2", "bloom"], indirect=True)
def test_prompts_are_the_same_in_both_engines(pair: Pair) -> None:
    engine = load_tokenizer(pair.folder, pair.model.config.model_type)
    turns = (
        "<s>[INST] 你好 [/INST] Hi there </s><s>[INST]again [/INST]",
        "Human: \n hi\n\nAssistant:",
        "USER: hi</s>USER: a",
    )
    for text in (*CORPUS, *LEADING_SPACES, *turns):
        assert pair.llama_cpp.tokenize(text) == engine.encode(text), text
        assert pair.llama_cpp.tokenize(text, add_special=False) == engine.encode(text, add_special_tokens=False), text


@pytest.mark.parametrize("pair", ["llama3", "qwen2", "bloom"], indirect=True)
def test_special_tokens_typed_are_tokens(pair: Pair) -> None:
    chat = "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n<|endoftext|>"
    for text in (
        chat,
        "<s>a</s> b<pad><unk>",
        "<|im_end|>" * 3,
        "<|begin_of_text|>a<|eot_id|> b",
        "<|im_end",
        " <|im_start|> x <|im_end|> ",
    ):
        assert pair.llama_cpp.tokenize(text) == pair.tokenizer.encode(text), text


@pytest.mark.parametrize("pair", ["llama", "qwen3", "bloom"], indirect=True)
def test_half_precision_writes_the_same_words(pair: Pair) -> None:
    """Up to the first place where transformers itself sees two words nearly as likely."""
    compared = 0
    with llama_cpp(write(pair.folder, "f16")) as running:
        for prompt in PROMPTS:
            ids = pair.tokenizer.encode(prompt)
            expected, found = pair.greedy(ids, NEW_TOKENS), running.greedy(ids, NEW_TOKENS)
            logits = pair.logits(ids + expected)[len(ids) - 1 : -1]
            best = logits.topk(2, -1).values
            close = (best[:, 0] - best[:, 1]) < logits.std() * 0.02
            sure = int(close.nonzero()[0]) if close.any() else NEW_TOKENS
            assert found[:sure] == expected[:sure]
            compared += sure
    assert compared > 32


# How far a number may be off, as a share of the largest of its block: half a step, and the scale's own rounding.
# q4_0 and q5_0 have a step less at one end; the two formats with a lowest value spread their steps from there up.
MOST_OFF = {"f32": 0, "f16": 2**-11, "bf16": 2**-8, "q8_0": 0.5 / 127, "q5_1": 1.0 / 31, "q5_0": 1.0 / 16}
MOST_OFF |= {"q4_1": 1.0 / 15, "q4_0": 1.0 / 8}


@pytest.mark.parametrize("pair", ["llama"], indirect=True)
@pytest.mark.parametrize("to", list(MOST_OFF))
def test_numbers_are_rounded_as_the_format_allows(pair: Pair, to: str) -> None:
    found = hugging_face_tensors(write(pair.folder, to))
    for name, want in pair.model.state_dict().items():
        if want.dim() == 1 or to == "f32":
            assert torch.equal(found[name], want), name
        else:
            largest = want.reshape(-1, 32).abs().amax(1, keepdim=True)
            off = (found[name] - want).reshape(-1, 32).abs()
            assert (off <= largest * (MOST_OFF[to] + 2**-9 * to.startswith("q"))).all(), name


@pytest.mark.parametrize("pair", ["llama"], indirect=True)
@pytest.mark.parametrize("to", ["bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"])
def test_quantized_files_compute_what_their_numbers_say(pair: Pair, to: str) -> None:
    """Transformers with the rounded weights is the measure; llama.cpp rounds what goes into each product, too."""
    path = write(pair.folder, to)
    rounded = copy.deepcopy(pair.model)
    rounded.load_state_dict(hugging_face_tensors(path))
    ids = pair.tokenizer.encode(PROMPTS[0])
    with torch.no_grad():
        expected = torch.log_softmax(rounded(torch.tensor([ids])).logits[0, -1], -1)
    with llama_cpp(path) as running:
        found = running.logprobs(ids, len(expected))
    off = torch.tensor([expected[i].item() - value for i, value in found.items()])
    assert off.std() < 0.1 * expected.std()


@pytest.mark.parametrize("pair", ["qwen2", "qwen3", "bloom"], indirect=True)
def test_quantized_files_of_every_family_load(pair: Pair) -> None:
    ids = pair.tokenizer.encode(PROMPTS[0])
    expected = torch.log_softmax(pair.logits(ids)[-1], -1)
    with llama_cpp(write(pair.folder, "q8_0")) as running:
        found = running.logprobs(ids, len(expected))
    off = torch.tensor([expected[i].item() - value for i, value in found.items()])
    assert off.std() < 0.1 * expected.std()


def test_the_header_says_what_the_model_is(pair: Pair) -> None:
    header = read_header(pair.folder / "tiny-f32.gguf")
    config = pair.model.config
    assert header.architecture == config.model_type
    assert (header.layers, header.embedding) == (config.num_hidden_layers, config.hidden_size)
    assert header.heads == config.num_attention_heads
    assert header.quantization == "F32"
    assert bool(header.chat_template) is (config.model_type != "bloom")


@pytest.mark.parametrize("pair", ["bloom"], indirect=True)
def test_bloom_as_it_was_published(pair: Pair, tmp_path: Path) -> None:
    """Its tensors without a prefix, its widths by their old names."""
    old = tmp_path / "tiny"
    old.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(pair.folder / name, old / name)
    tensors = load_file(pair.folder / "model.safetensors")
    save_file(
        {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}, old / "model.safetensors"
    )
    config = json.loads((pair.folder / "config.json").read_text())
    config["n_embed"] = config.pop("hidden_size")
    (old / "config.json").write_text(json.dumps(config))
    assert write(old, "q8_0").read_bytes() == write(pair.folder, "q8_0").read_bytes()
