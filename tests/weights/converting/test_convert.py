"""A folder is rewritten whole or not at all; what can't be rewritten is refused with what to do; nothing is left."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import pytest

from app.errors import Conflict, FetchCancelled, FetchFailed, InvalidImport, ParleyError
from app.weights.converting import tensors as writing
from app.weights.converting.convert import quantize
from app.weights.formats.gguf import read_header
from app.weights.formats.sha256sums import read_checksums
from app.weights.progress import Progress
from tests.support.safetensors_files import LLAMA_CONFIG, llama_tensors, write, write_sharded
from tests.support.sentencepiece_files import LLAMA_PIECES, model

TOKENS = 288  # more rows than tokens, as the models have them
CONFIG = LLAMA_CONFIG | {"vocab_size": TOKENS, "hidden_size": 64, "intermediate_size": 96}


def tensors(config: dict[str, Any] = CONFIG) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The tiny LLaMA's, wide enough for whole blocks: 8 becomes 64, 4 becomes 32, 16 becomes 96."""
    wider = {8: config["hidden_size"], 4: config["hidden_size"] // 2, 16: config["intermediate_size"], 32: TOKENS}
    return {name: (kind, tuple(wider[side] for side in shape)) for name, (kind, shape) in llama_tensors().items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "tiny"
    write(found / "model.safetensors", tensors())
    (found / "config.json").write_text(json.dumps(CONFIG))
    (found / "tokenizer.model").write_bytes(model())
    return found


def run(folder: Path, to: str = "q4_0", cancelled: Callable[[], bool] = lambda: False) -> Path:
    return quantize(folder, to, lambda _: None, cancelled)


class Read(NamedTuple):
    """A GGUF file as the gguf package reads it."""

    fields: dict[str, Any]
    kinds: dict[str, str]


def read(path: Path) -> Read:
    reader = gguf.GGUFReader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    return Read(fields, {tensor.name: tensor.tensor_type.name for tensor in reader.tensors})


def change(folder: Path, **changes: Any) -> None:
    """Other values in config.json; None takes one away."""
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


@pytest.mark.parametrize("to", ["f32", "f16", "bf16", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0"])
def test_each_format(folder: Path, to: str) -> None:
    path = run(folder, to)
    assert path == folder / f"tiny-{to}.gguf"
    header, found = read_header(path), read(path)
    assert (header.architecture, header.quantization, header.name) == ("llama", to.upper(), "tiny")
    assert found.kinds["blk.0.attn_norm.weight"] == "F32"
    assert found.kinds["blk.1.ffn_down.weight"] == found.kinds["token_embd.weight"] == to.upper()
    assert found.kinds["output.weight"] == ("Q8_0" if to.startswith("q") else to.upper())
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[to.upper()]]
    matrix = math.prod(shape := tensors()["model.layers.0.mlp.up_proj.weight"][1]) * size // block
    assert next(t for t in gguf.GGUFReader(path).tensors if t.name == "blk.0.ffn_up.weight").n_bytes == matrix
    assert shape == (96, 64)


def test_the_sum_is_noted_and_right(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  model.safetensors\n")
    path = run(folder)
    noted = read_checksums(folder)
    assert noted[path.name] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert noted["model.safetensors"] == "0" * 64


def test_the_same_model_gives_the_same_file(folder: Path) -> None:
    first = run(folder).read_bytes()
    assert run(folder).read_bytes() == first


def test_shards(folder: Path) -> None:
    whole = run(folder).read_bytes()
    (folder / "model.safetensors").unlink()
    write_sharded(folder, tensors(), 3)
    assert run(folder).read_bytes() == whole


def test_rows_that_are_no_whole_blocks_stay_in_half_precision(folder: Path) -> None:
    narrow = CONFIG | {"hidden_size": 40, "head_dim": 10}
    write(folder / "model.safetensors", tensors(narrow))
    change(folder, hidden_size=40)
    kinds = read(run(folder)).kinds
    assert kinds["blk.0.attn_q.weight"] == kinds["token_embd.weight"] == "F16"
    assert kinds["blk.0.ffn_down.weight"] == "Q4_0"


def test_tied_weights_are_the_output_too(folder: Path) -> None:
    change(folder, tie_word_embeddings=True)
    kinds = read(run(folder)).kinds
    assert "output.weight" not in kinds  # stored twice, written once
    assert kinds["token_embd.weight"] == "Q8_0"


def test_vocabulary(folder: Path) -> None:
    (folder / "added_tokens.json").write_text(json.dumps({"[PAD]": 265, "<far>": 5000}))
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    settings = {"bos_token": "", "eos_token": {"content": "</s>"}, "pad_token": "[PAD]", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    fields = read(run(folder)).fields
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    assert tokens[:265] == [text for text, _, _ in LLAMA_PIECES]
    assert (tokens[265], types[265]) == ("[PAD]", 3)
    assert (tokens[266], types[266], len(tokens)) == ("[PAD266]", 5, TOKENS)
    assert fields["tokenizer.ggml.scores"][:265] == [score for _, score, _ in LLAMA_PIECES]
    assert [fields[f"tokenizer.ggml.{kind}_token_id"] for kind in ("unknown", "bos", "eos", "padding")] == [
        0,
        1,
        2,
        265,
    ]
    assert (fields["tokenizer.ggml.add_bos_token"], fields["tokenizer.ggml.add_eos_token"]) == (True, False)
    assert fields["tokenizer.chat_template"] == template


def test_marks_that_are_all_the_same_are_not_believed(folder: Path) -> None:
    """As in the first conversions of LLaMA: SentencePiece knows better."""
    (folder / "tokenizer_config.json").write_text(json.dumps(dict.fromkeys(("bos_token", "eos_token"), "</s>")))
    fields = read(run(folder)).fields
    assert (fields["tokenizer.ggml.bos_token_id"], fields["tokenizer.ggml.eos_token_id"]) == (1, 2)


def test_several_chat_templates_and_one_of_its_own(folder: Path) -> None:
    named = [{"name": "default", "template": "A"}, {"name": "tool use", "template": "B"}]
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    fields = read(run(folder)).fields
    assert (fields["tokenizer.chat_template"], fields["tokenizer.chat_template.tool_use"]) == ("A", "B")
    (folder / "chat_template.jinja").write_text("C")
    assert read(run(folder)).fields["tokenizer.chat_template"] == "C"


def test_metadata(folder: Path) -> None:
    change(folder, rope_theta=5e5, sliding_window=128, rms_norm_eps=1e-6)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\nlicense: other\n")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 260, 261]}))
    fields = read(run(folder)).fields
    assert fields["general.license"] == "apache-2.0"
    assert fields["general.size_label"] == "99K"
    assert (fields["llama.context_length"], fields["llama.rope.freq_base"]) == (128, 5e5)
    assert (fields["tokenizer.ggml.eot_token_id"], fields["tokenizer.ggml.eom_token_id"]) == (260, 261)


def test_progress_in_bytes(folder: Path) -> None:
    seen: list[Progress] = []
    path = quantize(folder, "q8_0", seen.append, lambda: False)
    done = [now.done_bytes for now in seen]
    assert {now.phase for now in seen} == {"quantizing"}
    assert done[0] == 0
    assert done == sorted(done)
    assert done[-1] == seen[-1].total_bytes
    assert done[-1] < path.stat().st_size


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "architecture": (
        lambda f: change(f, model_type="mamba"),
        "architecture 'mamba' can't be.*llama, mistral",
    ),
    "no architecture": (lambda f: change(f, model_type=None), r"architecture 'None'"),
    "activation": (lambda f: change(f, hidden_act="gelu"), r"hidden_act = gelu"),
    "layers": (lambda f: change(f, num_hidden_layers=3), "layers"),
    "heads": (lambda f: change(f, num_attention_heads=3), "3 heads"),
    "kind of number": (lambda f: change(f, intermediate_size="wide"), "intermediate_size = wide"),
    "shape": (lambda f: change(f, intermediate_size=128), r"\(128, 64\).*\(96, 64\)"),
    "positions": (lambda f: change(f, rope_scaling={"type": "longrope", "factor": 2.0}), "'longrope'"),
    "packed": (lambda f: change(f, quantization_config={"bits": 4}), "already quantized"),
    "no tokenizer": (lambda f: (f / "tokenizer.model").unlink(), "holds no tokenizer"),
    "cut tokenizer": (lambda f: (f / "tokenizer.model").write_bytes(model()[:-3]), r"tokenizer\.model is damaged"),
    "another kind": (lambda f: (f / "tokenizer.model").write_bytes(model(model_type=1)), "is a unigram model"),
    "no bytes": (lambda f: (f / "tokenizer.model").write_bytes(model(byte_fallback=False)), "no byte fallback"),
    "spaces": (lambda f: (f / "tokenizer.model").write_bytes(model(extra_spaces_removed=True)), "spaces"),
    "replacing": (lambda f: (f / "tokenizer.model").write_bytes(model(charsmap=b"x")), "replaces characters"),
    "more tokens than rows": (
        lambda f: (f / "tokenizer.model").write_bytes(model([*LLAMA_PIECES, *((f"z{i}", 0.0, 1) for i in range(50))])),
        "315 tokens, but the model has 288",
    ),
    "a token twice": (
        lambda f: (f / "tokenizer.model").write_bytes(model([*LLAMA_PIECES, ("a", 0.0, 1)])),
        "same token twice",
    ),
    "cut weights": (lambda f: os.truncate(f / "model.safetensors", 20_000), "cut off"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "holds neither"),
    "strange tensor": (
        lambda f: write(f / "model.safetensors", tensors() | {"model.layers.0.experts.weight": ("F16", (64, 64))}),
        r"holds the tensor model\.layers\.0\.experts\.weight",
    ),
    "missing tensor": (
        lambda f: write(f / "model.safetensors", {k: v for k, v in tensors().items() if "0.mlp.up" not in k}),
        r"up_proj.*lack",
    ),
    "integers": (
        lambda f: write(f / "model.safetensors", {k: ("I8", shape) for k, (_, shape) in tensors().items()}),
        "I8",
    ),
    "broken JSON": (lambda f: (f / "tokenizer_config.json").write_text("{"), "not valid JSON"),
    "half a character": (
        lambda f: (f / "tokenizer_config.json").write_text('{"bos_token": "\\ud800"}'),
        "not valid JSON",
    ),
    "added token": (
        lambda f: (f / "tokenizer_config.json").write_text('{"added_tokens_decoder": {"9": {"content": 3}}}'),
        "added token without an id or a text",
    ),
    "template out of the folder": (
        lambda f: (f / "chat_template.jinja").symlink_to("/etc/hostname"),
        "points outside the folder",
    ),
}


@pytest.mark.parametrize("name", list(BAD))
def test_what_can_not_be_rewritten(folder: Path, name: str) -> None:
    spoil, reason = BAD[name]
    spoil(folder)
    before = _left(folder)
    with pytest.raises(InvalidImport, match=reason):
        run(folder)
    assert _left(folder) == before


def test_numbers_that_are_none(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-2:] = b"\x80\x7f"  # infinite, as bfloat16 has it
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(InvalidImport, match="values that are not numbers"):
        run(folder)


def test_numbers_too_large_for_half_precision(folder: Path) -> None:
    at = (folder / "model.safetensors").stat().st_size - 64 * 96 * 2  # the last matrix
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[at : at + 2] = b"\x80\x48"  # 262,144 as bfloat16
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(InvalidImport, match="Choose bf16 or f32"):
        run(folder, "f16")
    run(folder, "bf16")
    assert _left(folder) >= {"tiny-bf16.gguf"}


def test_an_unknown_format(folder: Path) -> None:
    with pytest.raises(InvalidImport, match=r"no format 'q6_k'\. Choose one of f32, f16"):
        run(folder, "q6_k")


def test_cancelled_in_the_middle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    before = _left(folder)
    with pytest.raises(FetchCancelled):
        run(folder, cancelled=cancelled)
    assert _left(folder) == before


def test_no_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 << 20))
    before = _left(folder)
    with pytest.raises(FetchFailed, match="not enough disk space") as told:
        run(folder)
    assert told.value.details["free_bytes"] == 10 << 20
    assert _left(folder) == before


def test_the_disk_is_full_in_the_middle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = writing._Out.write

    def full(self: writing._Out, data: bytes) -> None:
        if self._size > 40_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        written(self, data)

    monkeypatch.setattr(writing._Out, "write", full)
    before = _left(folder)
    with pytest.raises(FetchFailed, match="is full"):
        run(folder)
    assert _left(folder) == before


@pytest.mark.parametrize("trouble", ["cancel", "damage"])
def test_what_was_there_stays_until_the_new_file_is_whole(folder: Path, trouble: str) -> None:
    good = run(folder).read_bytes()
    if trouble == "damage":
        change(folder, hidden_act="gelu")
    with pytest.raises(ParleyError):
        run(folder, cancelled=lambda: trouble == "cancel")
    assert (folder / "tiny-q4_0.gguf").read_bytes() == good


def test_two_at_once(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="by another process"):
            run(folder)
    finally:
        os.close(handle)
    run(folder)


def test_a_draft_left_by_a_crash_is_written_over(folder: Path) -> None:
    (folder / ".tiny-q4_0.gguf.draft").write_bytes(b"half")
    run(folder)
    assert not list(folder.glob(".*"))
