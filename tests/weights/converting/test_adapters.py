"""Adapters beside GGUF models: which belong to which, and which of them fit. Nothing is loaded."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.errors import DamagedWeights
from app.models.adapters import found_adapters
from app.models.catalog import Catalog
from app.weights.converting.lora import convert_lora, gguf_adapter
from app.weights.formats.gguf import read_header
from app.weights.formats.lora_config import BadLora, lora_config
from app.weights.formats.lora_names import UnknownModule, base_tensor
from tests.support.gguf_files import GGUFFile, Tensor, write_gguf
from tests.support.lora_files import random_lora, read_f32
from tests.support.safetensors_files import write, write_llama, write_lora

Q, K, DOWN = (f"model.layers.0.{name}" for name in ("self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"))
GOOD = {Q: (8, 8), K: (4, 8), DOWN: (8, 16)}
TENSORS = [
    Tensor("token_embd.weight", (8, 4)),
    Tensor("blk.0.attn_q.weight", (8, 8)),
    Tensor("blk.0.attn_k.weight", (8, 4)),
    Tensor("blk.0.ffn_down.weight", (16, 8)),
]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_gguf(tmp_path / "weights" / "Tiny-1K-Chat.Q4_K_M.gguf", GGUFFile(tensors=TENSORS))
    return tmp_path


def ready(path: Path, tensors: list[Tensor] | None = None, changes: Mapping[str, object] | None = None) -> Path:
    """A GGUF adapter for that model."""
    made = tensors or [Tensor("blk.0.attn_q.weight.lora_a", (8, 2)), Tensor("blk.0.attn_q.weight.lora_b", (2, 8))]
    about = {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}
    named = {"general.base_model.0.repo_url": "https://hub.example/x/Tiny-1K-Chat", "adapter.lora.alpha": 4.0}
    write_gguf(path / "adapter.gguf", GGUFFile(metadata={**about, **named, **(changes or {})}, tensors=made))
    return path


@pytest.mark.parametrize(
    ("architecture", "module", "tensor"),
    [
        ("llama", "model.layers.3.self_attn.q_proj", "blk.3.attn_q.weight"),
        ("qwen2", "layers.12.mlp.gate_proj", "blk.12.ffn_gate.weight"),
        ("qwen3", "model.layers.0.self_attn.o_proj", "blk.0.attn_output.weight"),
        ("bloom", "transformer.h.3.self_attention.query_key_value", "blk.3.attn_qkv.weight"),
        ("bloom", "h.0.mlp.dense_4h_to_h", "blk.0.ffn_down.weight"),
    ],
)
def test_modules_have_their_tensors(architecture: str, module: str, tensor: str) -> None:
    assert base_tensor(architecture, module) == tensor


@pytest.mark.parametrize(
    ("architecture", "module", "words"),
    [
        ("llama", "lm_head", "only the linear layers of the blocks"),
        ("bloom", "transformer.word_embeddings", "only the linear layers of the blocks"),
        ("llama", "transformer.h.0.attn.c_attn", "made for another model"),
        ("llama", "model.layers.03.self_attn.q_proj", "made for another model"),
        ("mamba", "model.layers.0.mixer.in_proj", "the architecture 'mamba'"),
    ],
)
def test_other_modules_are_refused(architecture: str, module: str, words: str) -> None:
    with pytest.raises(UnknownModule, match=words):
        base_tensor(architecture, module)


@pytest.mark.parametrize("base", ["x/tiny-1k-chat.q4_k_m", "x/Tiny-1K-Chat", "y/Tiny", "C:\\models\\Tiny_1K Chat\\"])
def test_an_adapter_is_shown_with_the_file_that_it_was_made_for(store: Path, base: str) -> None:
    folder = write_lora(store / "adapters" / "polite", base, GOOD)
    write_lora(store / "adapters" / "stranger", "x/Other-1K-Chat", GOOD)
    catalog = Catalog(store)
    (model,) = [m for m in catalog.list() if m.id.startswith("tiny")]
    assert [a.name for a in model.adapters] == ["polite"]
    assert catalog.adapters(model.id) == {"polite": folder}


def test_two_folders_with_one_name_are_one_adapter(tmp_path: Path) -> None:
    for name in ("Polite", "polite"):
        write_lora(tmp_path / name, "x/tiny", GOOD)
    assert [(a.name, a.title) for a in found_adapters(tmp_path, ["tiny"], taken=[])] == [("polite", "Polite")]


def test_a_folder_with_a_copy_has_adapters_in_both_engines(tmp_path: Path) -> None:
    write_gguf(write_llama(tmp_path / "weights" / "both") / "both-q8_0.gguf", GGUFFile(tensors=TENSORS))
    lora = write_lora(tmp_path / "adapters" / "lora", "x/both", GOOD)
    only_gguf = ready(tmp_path / "adapters" / "ready", changes={"general.base_model.0.repo_url": "x/both"})
    catalog = Catalog(tmp_path)
    assert catalog.get("both@q8_0").engine == "llama_cpp"
    assert catalog.adapters("both@q8_0") == {"lora": lora, "ready": only_gguf}
    assert catalog.adapters("both@none") == {"lora": lora}
    with pytest.raises(DamagedWeights, match="only GGUF models can load"):
        catalog.check_adapter("both@none+ready")


def test_an_adapter_among_the_models_is_told_its_place(store: Path) -> None:
    ready(store / "adapters" / "x").joinpath("adapter.gguf").rename(store / "weights" / "stray.gguf")
    (problem,) = Catalog(store).problems
    assert "is a LoRA adapter, not a chat model" in problem.message
    assert "Put it into a folder of its own in adapters" in problem.message


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"modules": {Q: (4, 4)}}, "made for another model.*4 × 4 values, and .* has 8 × 8"),
    ({"modules": {"model.layers.7.mlp.down_proj": (8, 16)}}, "which does not exist"),
    ({"modules": {"lm_head": (4, 8)}}, "only the linear layers of the blocks"),
    ({"modules": {Q: (8, 8), Q.removeprefix("model."): (8, 8)}}, "twice, under two names"),
    ({"modules": GOOD, "use_dora": True}, "more than plain LoRA \\(use_dora\\)"),
    ({"modules": GOOD, "modules_to_save": ["lm_head"]}, "more than plain LoRA \\(modules_to_save\\)"),
    ({"modules": GOOD, "bias": "all"}, "more than plain LoRA \\(bias\\)"),
    ({"modules": GOOD, "r": 5}, "says rank 5"),
    ({"modules": GOOD, "lora_alpha": float("nan")}, "lora_alpha nan"),
    ({"modules": GOOD, "alpha_pattern": {"(a*)*": 3}}, "too complex"),
]


@pytest.mark.parametrize(("made", "words"), WRONG)
def test_one_that_does_not_fit_is_refused_with_the_reason(store: Path, made: dict[str, Any], words: str) -> None:
    write_lora(store / "adapters" / "bad", "x/tiny", **made)
    write_lora(store / "adapters" / "good", "x/tiny", GOOD)
    catalog = Catalog(store)
    assert list(catalog.adapters("tiny-1k-chat.q4_k_m")) == ["good"]
    with pytest.raises(DamagedWeights, match=words):
        catalog.check_adapter("tiny-1k-chat.q4_k_m+bad")
    assert catalog.status("tiny-1k-chat.q4_k_m").state == "ready"


def test_broken_weights_are_refused(store: Path) -> None:
    folder = write_lora(store / "adapters" / "bad", "x/tiny", GOOD)
    catalog = Catalog(store)
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(DamagedWeights, match="cut off"):
        catalog.check_adapter("tiny-1k-chat.q4_k_m+bad")
    write(weights, {f"base_model.model.{Q}.lora_A.weight": ("F32", (2, 8))})
    with pytest.raises(DamagedWeights, match="only a part"):
        catalog.check_adapter("tiny-1k-chat.q4_k_m+bad")


def test_gguf_adapters(store: Path, tmp_path: Path) -> None:
    adapters = store / "adapters"
    good = ready(adapters / "good")
    ready(adapters / "other", changes={"general.architecture": "qwen2"})
    ready(adapters / "half", [Tensor("blk.0.attn_q.weight.lora_a", (8, 2))])
    ready(adapters / "embedding", [Tensor(f"token_embd.weight.lora_{s}", shape) for s, shape in SIDES.items()])
    ready(adapters / "control", changes={"adapter.type": "control"})
    catalog = Catalog(store)
    assert catalog.adapters("tiny-1k-chat.q4_k_m") == {"good": good}
    for name, words in (("other", "qwen2"), ("half", "shapes"), ("embedding", "can't be changed"), ("control", "type")):
        with pytest.raises(DamagedWeights, match=words):
            catalog.check_adapter(f"tiny-1k-chat.q4_k_m+{name}")
    header = read_header(good / "adapter.gguf")
    assert (header.kind, header.adapter_type, header.base_model) == (
        *("adapter", "lora"),
        "https://hub.example/x/Tiny-1K-Chat",
    )
    assert gguf_adapter(good, header, tmp_path / "cache") == good / "adapter.gguf"


SIDES = {"a": (8, 2), "b": (2, 4)}


def test_rows_follow_those_of_the_base_and_factors_go_into_b(store: Path, tmp_path: Path) -> None:
    folder = random_lora(
        tmp_path / "lora", "x/tiny", {Q: (8, 8), DOWN: (8, 16)}, use_rslora=True, alpha_pattern={"down_proj": 3}
    )
    header = read_header(store / "weights" / "Tiny-1K-Chat.Q4_K_M.gguf")
    convert_lora(folder, header, tmp_path / "out.gguf")
    found = read_header(tmp_path / "out.gguf")
    assert found.shapes == {
        "blk.0.attn_q.weight.lora_a": (8, 4),
        "blk.0.attn_q.weight.lora_b": (4, 8),
        "blk.0.ffn_down.weight.lora_a": (16, 4),
        "blk.0.ffn_down.weight.lora_b": (4, 8),
    }
    data = (tmp_path / "out.gguf").read_bytes()[-found.tensor_bytes :]
    numbers = struct.unpack(f"<{found.tensor_bytes // 4}f", data)
    weights = folder / "adapter_model.safetensors"
    a, b = (read_f32(weights, f"base_model.model.{Q}.lora_{side}.weight") for side in "AB")
    assert numbers[:32] == pytest.approx(a.ravel())
    # Heads of two numbers: a pair is a head, nothing moves; alpha 8, rank 4: PEFT's 8 / √4 is twice llama.cpp's 8 / 4.
    assert numbers[32:64] == pytest.approx(2 * b.ravel())
    down = read_f32(weights, f"base_model.model.{DOWN}.lora_B.weight")
    assert numbers[128:] == pytest.approx(3 / 4 * down.ravel())


def test_a_copy_is_kept_until_the_adapter_changes(store: Path, tmp_path: Path) -> None:
    folder = random_lora(tmp_path / "lora", "x/tiny", {DOWN: (8, 16)})
    header = read_header(store / "weights" / "Tiny-1K-Chat.Q4_K_M.gguf")
    first = gguf_adapter(folder, header, tmp_path / "cache")
    made = first.stat().st_mtime_ns
    assert gguf_adapter(folder, header, tmp_path / "cache") == first
    assert first.stat().st_mtime_ns == made
    first.write_bytes(first.read_bytes()[:-9])  # the machine stopped in the middle
    assert gguf_adapter(folder, header, tmp_path / "cache") == first
    assert read_header(first).kind == "adapter"
    random_lora(folder, "x/tiny", {DOWN: (8, 16)}, seed=1)
    assert gguf_adapter(folder, header, tmp_path / "cache") != first
    assert not list((tmp_path / "cache").rglob(".*"))


@pytest.mark.parametrize("values", [{"lora_alpha": True}, {"lora_alpha": 0}, {"r": 0}, {"alpha_pattern": [1]}])
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(BadLora):
        lora_config({"peft_type": "LORA", "r": 4, **values})
