"""What trainers do with our BLOOM: losses and gradients as the original's, checkpointing, LoRA, quantized bases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from transformers import AutoModelForCausalLM, BitsAndBytesConfig  # noqa: E402

import app.families.bloom  # noqa: E402, F401  (makes it known)
from tests.torch.bloom.tiny import ids, original, ours  # noqa: E402
from tests.torch.rounding import tolerance  # noqa: E402

IDS = ids(14, 2)
REAL = torch.ones_like(IDS)
REAL[1, 9:] = 0
BATCH = {"input_ids": IDS, "attention_mask": REAL, "labels": IDS.masked_fill(REAL == 0, -100)}


def gradients(its: Any) -> tuple[Any, dict[str, Any]]:
    its.train().requires_grad_(True)
    loss = its(**BATCH, use_cache=False).loss
    loss.backward()
    return loss.detach(), {name: parameter.grad for name, parameter in its.named_parameters()}


def test_loss_and_gradients_are_the_originals() -> None:
    loss, found = gradients(ours(6))
    expected_loss, wanted = gradients(original(6))
    torch.testing.assert_close(loss, expected_loss)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=tolerance(gradient), rtol=1e-3, msg=name)


def test_checkpointed_gradients_are_the_same() -> None:
    checkpointing = ours()
    checkpointing.activation_checkpointing_enable()
    loss, found = gradients(checkpointing)
    plain_loss, wanted = gradients(ours())
    torch.testing.assert_close(loss, plain_loss)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, msg=name)


def test_lora_learns_and_comes_back(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="the torch extra is not installed")
    torch.manual_seed(0)
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["query_key_value"], r=4)
    adapted = peft.get_peft_model(ours(), config)
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=0.05)
    losses = []
    for _ in range(8):
        loss = adapted(**BATCH).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    assert losses[-1] < losses[0]
    adapted.eval().save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(ours(), tmp_path).eval()
    torch.testing.assert_close(again(IDS).logits, adapted(IDS).logits)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_bitsandbytes_quantizes_the_layers_and_not_the_head(tmp_path: Path, kind: str) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="the torch extra is not installed")
    options: dict[str, Any] = {"load_in_8bit": True}
    if kind == "nf4":
        options = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.float32}
    its = original()
    its.save_pretrained(tmp_path)
    quantized = AutoModelForCausalLM.from_pretrained(
        tmp_path, quantization_config=BitsAndBytesConfig(**options), dtype=torch.float32
    ).eval()
    kinds = (bitsandbytes.nn.Linear4bit, bitsandbytes.nn.Linear8bitLt)
    assert sum(isinstance(module, kinds) for module in quantized.modules()) == 4 * 3
    assert type(quantized.lm_head) is torch.nn.Linear
    with torch.no_grad():
        both = torch.stack((quantized(IDS).logits.flatten(), its(IDS).logits.flatten()))
    assert torch.corrcoef(both)[0, 1] > 0.9
