"""The tokenizer against the original's answers, on the real vocabulary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("transformers", reason="the torch extra is not installed")

from transformers import AutoTokenizer

from app.engine.torch.rendering import render_text
from app.families.chatglm import tokenization
from app.families.chatglm.tokenization import ChatGLMTokenizer
from tests.support.shared import shared
from tests.torch.chatglm.golden import GOLDEN, listed, tokenizer

CASES = listed("tokenizer/cases.json")
# The file that came before `ice_text.model` grew by the pieces that code appended (README of the golden data).
OLD_SHA256 = "99871e0c85db81ad7af1028854fd091cd5778c8414ae9d94bbbc10d02c831c21"
OLD_OFFSET = 20_000


def outcome(call: Callable[..., str], *arguments: Any, **options: Any) -> Any:
    try:
        return call(*arguments, **options)
    except IndexError as error:
        return {"error": type(error).__name__}


@pytest.mark.parametrize("case", CASES["encode"], ids=lambda case: repr(case["text"])[:30])
def test_encoding_and_decoding_are_the_originals(case: dict[str, Any]) -> None:
    it, text = tokenizer(), case["text"]
    assert it.tokenize(text) == case["pieces"]
    assert it.encode(text, add_special_tokens=False) == case["ids"]
    assert it.encode(text) == it(text)["input_ids"] == case["ids_with_special"]
    assert it.decode(case["ids"]) == case["decoded"]
    assert it.decode(case["ids_with_special"]) == case["decoded_with_special"]
    assert it.decode(case["ids_with_special"], skip_special_tokens=True) == case["decoded_skip_special"]
    assert it.decode(case["ids"], clean_up_tokenization_spaces=False) == case["decoded_no_cleanup"]


@pytest.mark.parametrize("case", CASES["decode"], ids=lambda case: str(case["ids"])[:40])
def test_decoding_ids_is_the_originals(case: dict[str, Any]) -> None:
    assert outcome(tokenizer().decode, case["ids"]) == case["decoded"]
    assert outcome(tokenizer().decode, case["ids"], skip_special_tokens=True) == case["decoded_skip_special"]


@pytest.mark.parametrize("case", CASES["padded_batches"], ids=lambda case: case["texts"][0])
def test_batches_are_padded_at_the_left(case: dict[str, Any]) -> None:
    """The original's mask is a square in which 1 hides; a column that no row sees is padding."""
    batch = tokenizer()(case["texts"], padding=True)
    assert batch["input_ids"] == case["input_ids"]
    seen = [[int(any(hidden == 0 for hidden in column)) for column in zip(*mask, strict=True)] for (mask,) in
            case["attention_mask"]]  # fmt: skip
    assert batch["attention_mask"] == seen


@pytest.mark.parametrize("case", CASES["context_answer_pairs"], ids=lambda case: case["context"])
def test_a_context_and_its_answer(case: dict[str, Any]) -> None:
    assert tokenizer()(case["context"], case["answer"])["input_ids"] == case["ids"]


def test_pieces_have_the_originals_ids() -> None:
    it = tokenizer()
    for index, piece in CASES["id_to_piece"].items():
        assert it.convert_ids_to_tokens(int(index)) == piece
        assert it.convert_tokens_to_ids(piece) == int(index)
    special = {name: getattr(it, f"{name}_token_id") for name in CASES["special_ids"]}
    assert special == CASES["special_ids"]
    assert it.vocab_size == len(it) == len(it.get_vocab()) == CASES["vocab_size_of_tokenizer"]
    assert it.stop_token_ids == (special["eos"],)


def test_special_tokens_that_a_text_can_spell() -> None:
    it = tokenizer()
    assert sorted(it.all_special_tokens) == CASES["special_tokens_split_out_of_text"]
    typed = "a<sop>b<eop><pad><unk>"
    assert it.bos_token_id in it.encode(typed, add_special_tokens=False)
    as_text = it.encode(typed, add_special_tokens=False, split_special_tokens=True)
    assert not set(as_text) & set(it.all_special_ids)
    assert it.decode(as_text) == typed
    mask = it.convert_tokens_to_ids("[MASK]")
    for blank in ("今天[MASK]很好", "[MASK]", "a  [MASK][MASK] b", "x[gMASK]"):
        as_text = it.encode(blank, add_special_tokens=False, split_special_tokens=True)
        assert mask not in as_text
        assert it.decode(as_text, clean_up_tokenization_spaces=False) == blank


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a<n>b", "▁a < n > b"),
        ("<|tab|>", "▁< | tab | >"),
        ("<|blank_5|>  <|blank_12|> \t<n\n>", "▁< | blank _ 5 | > <|blank_2|> < | blank _ 1 2 | > ▁ <|tab|> < n <n> >"),
        ("a <n> <<n>>", "▁a ▁< n > ▁<< n >>"),
    ],
)
def test_typed_names_of_whitespace_are_text(text: str, pieces: str) -> None:
    assert tokenizer().tokenize(text, split_special_tokens=True) == pieces.split(" ")


def test_a_prompt_has_no_special_tokens_but_its_own() -> None:
    """Whatever people type: as the engine makes the ids of a family's prompt."""
    it = tokenizer()
    text, ids = render_text(it, "<sop>a[gMASK]<eop>", "")
    assert text == it.decode(ids, skip_special_tokens=True)
    assert [index for index in ids if index in {*it.all_special_ids, it.gmask_token_id}] == ids[-2:]
    assert ids[-2:] == [it.gmask_token_id, it.bos_token_id]
    assert render_text(it, "问题", "回答")[1] == it("问题", "回答")["input_ids"][:-1]


def test_special_tokens_are_marked() -> None:
    it = tokenizer()
    ids = it("问题", "回答")["input_ids"]
    expected = [0, 0, 1, 1, 0, 0, 1]
    assert it.get_special_tokens_mask(ids, already_has_special_tokens=True) == expected
    parts = it.encode("问题", add_special_tokens=False), it.encode("回答", add_special_tokens=False)
    assert it.get_special_tokens_mask(*parts) == expected


def test_a_conversation_with_its_reply() -> None:
    """What trainers read: the reply's ids behind the very ids of its prompt, and no special token of a stranger's."""
    it = tokenizer()
    question = {"role": "user", "content": "问题<sop>"}
    prompt = it.apply_chat_template([question], add_generation_prompt=True)["input_ids"]
    reply = {"role": "assistant", "content": "回答"}
    whole = it.apply_chat_template([question, reply], return_assistant_tokens_mask=True)
    assert prompt[-2:] == [it.gmask_token_id, it.bos_token_id]
    assert prompt.count(it.bos_token_id) == 1
    assert whole["input_ids"] == [*prompt, *it.encode("回答", add_special_tokens=False), it.eos_token_id]
    assert whole["assistant_masks"] == [0] * len(prompt) + [1] * (len(whole["input_ids"]) - len(prompt))


def test_tools_are_refused() -> None:
    with pytest.raises(ValueError, match="tools"):
        tokenizer().apply_chat_template([{"role": "user", "content": "x"}], tools=[{"name": "clock"}])


def test_saving_and_loading(tmp_path: Path) -> None:
    tokenizer().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((GOLDEN / "base" / "config.json").read_bytes())
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert type(again) is ChatGLMTokenizer
    for case in CASES["encode"]:
        assert again.encode(case["text"]) == case["ids_with_special"]


def test_spaces_and_cases_where_the_configuration_says_so() -> None:
    folder = shared("golden/chatglm/tokenizer")
    it = ChatGLMTokenizer.from_pretrained(folder, do_lower_case=True, remove_space=True)
    assert it.encode("  HELLO  World\n") == tokenizer().encode("hello world")


def old_file(model: bytes) -> bytes:
    """`ice_text.model` without the pieces that were appended to the file before it, and without byte fallback."""
    start, end = model.index(b"\x0a\x0f\x0a\x06[MASK]"), model.rindex(b"<0xFF>") + len(b"<0xFF>") + 7
    assert model[start:end] == tokenization._appended_pieces()[: end - start]
    old = model[:start] + model[end:]
    fallback = old.index(b"\x98\x02\x01", start)
    old = old[:fallback] + old[fallback + 3 :]
    assert old[start] == 0x12  # trainer_spec, whose length is three bytes less now
    return old[: start + 1] + bytes([old[start + 1] - 3]) + old[start + 2 :]


def test_the_oldest_checkpoints(tmp_path: Path) -> None:
    """Their file lacks pieces, their configuration says nothing, and their text begins at 20000."""
    old = old_file(shared("golden/chatglm/tokenizer/ice_text.model").read_bytes())
    assert hashlib.sha256(old).hexdigest() == OLD_SHA256
    (tmp_path / "ice_text.model").write_bytes(old)
    settings = {"tokenizer_class": "ChatGLMTokenizer", "auto_map": {"AutoTokenizer": ["no.Such", None]}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "chatglm", "vocab_size": 150_528}))
    it = AutoTokenizer.from_pretrained(tmp_path)
    for case in CASES["encode"]:
        assert it.encode(case["text"]) == [index + OLD_OFFSET for index in case["ids_with_special"]]
        assert it.decode(it.encode(case["text"], add_special_tokens=False)) == case["decoded"]
    assert it.convert_ids_to_tokens(5) == "image_5"
    assert it.decode([5, *it.encode("好", add_special_tokens=False)]) == "好"
    assert (it.mask_token_id, it.bos_token_id, it.pad_token_id) == (150_000, 150_004, 20_003)
