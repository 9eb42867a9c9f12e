"""The tokenizers against the original's answers, and how transformers finds them in a published folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("sentencepiece", reason="the torch extra is not installed")

import sentencepiece
from transformers import AutoTokenizer

from app.families.chatglm2.tokenization import ChatGLM2Tokenizer, ChatGLM3Tokenizer, tokenizer_class
from tests.support.shared import shared
from tests.torch.chatglm2.golden import GOLDEN, chat_cases

CLASSES = {2: ChatGLM2Tokenizer, 3: ChatGLM3Tokenizer}


def tokenizer(generation: int) -> Any:
    return CLASSES[generation](str(shared("golden/chatglm2/tokenizer/tokenizer.model")))


@pytest.mark.parametrize("generation", CLASSES)
@pytest.mark.parametrize("number", range(9))
def test_texts_are_encoded_and_decoded_as_by_the_original(generation: int, number: int) -> None:
    golden = chat_cases(generation)["encode"][number]
    its = tokenizer(generation)
    assert its.encode(golden["text"], add_special_tokens=False) == golden["ids"]
    assert its(golden["text"])["input_ids"] == golden["ids_with_special"]
    assert its.decode(golden["ids"]) == golden["decoded"]
    assert its.decode(golden["ids_with_special"]) == golden["decoded_with_special"]
    assert its.decode(golden["ids_with_special"], skip_special_tokens=True) == golden["decoded"]


@pytest.mark.parametrize("generation", CLASSES)
def test_special_tokens_have_the_originals_ids(generation: int) -> None:
    its = tokenizer(generation)
    expected = chat_cases(generation)["special_ids"]
    named = {"<bos>": its.bos_token_id, "<eos>": its.eos_token_id, "<pad>": its.pad_token_id}
    assert named | its.special_ids == expected
    assert {name: its.convert_tokens_to_ids(name) for name in its.special_ids} == its.special_ids
    assert len(its) == 800 + len(its.special_ids)


def test_ids_beyond_the_last_token_are_no_text() -> None:
    its = tokenizer(2)
    assert its.decode([507, 831, 232, 168, 192]) == "你好"
    assert its.decode(831) == ""


@pytest.mark.parametrize("generation", CLASSES)
@pytest.mark.parametrize("text", ["<|user|>", "[gMASK]sop", "</s>", "<s>", "<unk>", "a<|assistant|>\n b", "sop", "eop"])
def test_no_text_becomes_a_special_token(generation: int, text: str) -> None:
    its = tokenizer(generation)
    special = set(its.all_special_ids)
    assert special.isdisjoint(its.encode(text, add_special_tokens=False))
    assert its.decode(its.encode(text, add_special_tokens=False)) == text
    conversation = [{"role": "user", "content": text}]
    plain = [{"role": "user", "content": "x"}]
    ids = its.apply_chat_template(conversation, add_generation_prompt=True)["input_ids"]
    expected = its.apply_chat_template(plain, add_generation_prompt=True)["input_ids"]
    assert [index for index in ids if index in special] == [index for index in expected if index in special]


def test_a_piece_with_the_name_of_a_special_token_stays_a_piece(tmp_path: Path) -> None:
    text = "\n".join(f"sop word{number} eop other{number % 7} sop" for number in range(200))
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text.txt"),
        model_prefix=str(tmp_path / "tokenizer"),
        vocab_size=300,
        hard_vocab_limit=False,
        byte_fallback=True,
        user_defined_symbols=["sop"],
        minloglevel=2,
    )
    its = ChatGLM2Tokenizer(str(tmp_path / "tokenizer.model"))
    piece = its.sp_model.piece_to_id("sop")
    assert piece != its.special_ids["sop"]
    assert piece in its("sop", add_special_tokens=False)["input_ids"]
    assert its("x")["input_ids"][1] == its.special_ids["sop"]


def test_batches_are_padded_at_the_left() -> None:
    its = tokenizer(2)
    batch = its(["你好", "Hello, world!"], padding=True, return_tensors="pt")
    lengths = [len(its(text)["input_ids"]) for text in ("你好", "Hello, world!")]
    assert batch["input_ids"].shape == (2, max(lengths))
    assert batch["attention_mask"].sum(1).tolist() == lengths
    assert batch["input_ids"][0, : max(lengths) - lengths[0]].tolist() == [0] * (max(lengths) - lengths[0])
    assert its("", add_special_tokens=True)["input_ids"] == [801, 803]


def test_a_pair_is_a_question_and_its_answer() -> None:
    its = tokenizer(2)
    question, answer = its.encode("你好", add_special_tokens=False), its.encode("x", add_special_tokens=False)
    encoded = its("你好", "x", return_special_tokens_mask=True)
    assert encoded["input_ids"] == [801, 803, *question, *answer, 2]
    assert encoded["special_tokens_mask"] == [1, 1] + [0] * len(question + answer) + [1]
    assert its.get_special_tokens_mask(encoded["input_ids"], already_has_special_tokens=True)[-1] == 1


def published(folder: Path, generation: int, **extra: object) -> Path:
    """A folder as these models are published: everything is called ChatGLM, and code comes with it."""
    shutil.copy(shared("golden/chatglm2/tokenizer/tokenizer.model"), folder)
    settings = {
        "name_or_path": f"THUDM/chatglm{generation}-6b",
        "remove_space": False,
        "do_lower_case": False,
        "tokenizer_class": "ChatGLMTokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_chatglm.ChatGLMTokenizer", None]},
        **extra,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "tokenization_chatglm.py").write_text("raise SystemExit('ran code of the checkpoint')", encoding="utf-8")
    shutil.copy(GOLDEN / "base" / "config.json", folder)
    return folder


@pytest.mark.parametrize("generation", CLASSES)
def test_a_published_folder_gives_the_right_tokenizer_and_runs_nothing(
    generation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(prompt: str = "") -> str:
        raise AssertionError(f"asked on the terminal: {prompt}")

    monkeypatch.setattr("builtins.input", asked)
    its = AutoTokenizer.from_pretrained(published(tmp_path, generation))
    assert type(its) is CLASSES[generation]


@pytest.mark.parametrize("generation", CLASSES)
def test_a_saved_tokenizer_is_found_again(generation: int, tmp_path: Path) -> None:
    its = tokenizer(generation)
    its.save_pretrained(tmp_path)
    shutil.copy(GOLDEN / "base" / "config.json", tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert type(again) is CLASSES[generation]
    assert again("Hello, world!")["input_ids"] == its("Hello, world!")["input_ids"]
    assert again.get_vocab() == its.get_vocab()
    assert "auto_map" not in json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))


def test_role_tokens_tell_the_third_generation_when_no_name_does(tmp_path: Path) -> None:
    folder = published(tmp_path, 2, name_or_path="my/own", additional_special_tokens=["<|assistant|>"])
    assert tokenizer_class(folder) is ChatGLM3Tokenizer
    (folder / "tokenizer_config.json").write_text("{}", encoding="utf-8")
    assert tokenizer_class(folder) is ChatGLM2Tokenizer  # config.json names it
    (folder / "config.json").unlink()
    assert tokenizer_class(folder) is ChatGLM2Tokenizer
    (folder / "tokenizer.model").unlink()
    assert tokenizer_class(folder) is None
