"""LoRA by hooks against PEFT's own, on a tiny random LLaMA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")
peft = pytest.importorskip("peft", reason="needs the extra torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from app.engine.torch.adapters import AdapterError, attach  # noqa: E402

IDS = torch.arange(1, 11).reshape(1, 10)


def tiny_llama() -> Any:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config).eval().requires_grad_(False)


def logits(model: Any) -> Any:
    with torch.no_grad():
        return model(IDS).logits


def train(folder: Path, **options: Any) -> Any:
    """Save an adapter in `folder`; the logits that PEFT computes with it."""
    wanted = peft.LoraConfig(r=4, lora_alpha=12, target_modules=["q_proj", "down_proj"], **options)
    model = peft.get_peft_model(tiny_llama(), wanted)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return logits(model.eval())


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Any]:
    return tmp_path / "polite", train(tmp_path / "polite")


@pytest.mark.parametrize(
    "options", [{}, {"use_rslora": True}, {"alpha_pattern": {"layers.1.mlp.down_proj": 5}}], ids=["", "rslora", "alpha"]
)
def test_it_computes_what_peft_computes(tmp_path: Path, options: dict[str, Any]) -> None:
    folder = tmp_path / "polite"
    expected = train(folder, **options)
    model = tiny_llama()
    base = logits(model)
    adapters = attach(model, {"polite": folder}, torch.float32)
    adapters.activate("polite")
    assert (logits(model) - expected).abs().max() < 1e-5
    assert (base - expected).abs().max() > 0.01


def test_switching_off_gives_the_base_back_to_the_bit(trained: tuple[Path, Any]) -> None:
    model = tiny_llama()
    base = logits(model)
    adapters = attach(model, {"polite": trained[0]}, torch.float32)
    adapters.activate("polite")
    logits(model)
    adapters.activate(None)
    assert torch.equal(logits(model), base)


def test_two_adapters_on_one_base(trained: tuple[Path, Any], tmp_path: Path) -> None:
    folder, expected = trained
    rude = tmp_path / "rude"
    rude.mkdir()
    (rude / "adapter_config.json").write_text((folder / "adapter_config.json").read_text())
    weights = load_file(folder / "adapter_model.safetensors")
    save_file({k: -v if "lora_B" in k else v for k, v in weights.items()}, rude / "adapter_model.safetensors")
    model = tiny_llama()
    adapters = attach(model, {"polite": folder, "rude": rude}, torch.float32)
    assert adapters.names == ("polite", "rude")
    adapters.activate("rude")
    assert (logits(model) - expected).abs().max() > 0.01
    adapters.activate("polite")
    assert (logits(model) - expected).abs().max() < 1e-5


def changed(folder: Path, **values: object) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"use_dora": True}, "Merge it"),
        ({"bias": "all"}, "Merge it"),
        ({"modules_to_save": ["lm_head"]}, "Merge it"),
        ({"target_parameters": ["experts"]}, "Merge it"),
        ({"peft_type": "IA3"}, "type 'IA3'"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_what_is_not_plain_lora_is_refused(trained: tuple[Path, Any], values: dict[str, object], why: str) -> None:
    changed(trained[0], **values)
    with pytest.raises(AdapterError, match=why):
        attach(tiny_llama(), {"polite": trained[0]}, torch.float32)


def test_an_adapter_of_another_base_is_refused(trained: tuple[Path, Any]) -> None:
    other = LlamaForCausalLM(LlamaConfig(vocab_size=50, hidden_size=64, num_hidden_layers=2, num_attention_heads=4))
    with pytest.raises(AdapterError, match="another model"):
        attach(other, {"polite": trained[0]}, torch.float32)


def test_a_prefix_for_an_architecture_that_takes_none_is_refused(tmp_path: Path) -> None:
    save_file({"transformer.prefix_encoder.embedding.weight": torch.zeros(4, 8)}, tmp_path / "prefix.safetensors")
    with pytest.raises(AdapterError, match="takes none"):
        attach(tiny_llama(), {"prefix": tmp_path}, torch.float32)
